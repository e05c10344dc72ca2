import type { LifecycleCondition, LifecycleRule, LockRule, StoredObject } from "@longshore/contract";

/** The rules that may lock an object of this key. */
export function locksOn(rules: readonly LockRule[] | undefined, key: string): readonly LockRule[] {
  return rules?.filter(({ enabled, prefix = "" }) => enabled && key.startsWith(prefix)) ?? [];
}

/** Whether one of the rules holds an object that was written at `uploaded`. Times in milliseconds since 1970. */
export function isLocked(rules: readonly LockRule[], uploaded: number, now: number): boolean {
  return rules.some(({ condition }) => {
    if (condition.type === "Indefinite") return true;
    const until = condition.type === "Age" ? uploaded + condition.maxAgeSeconds * 1000 : Date.parse(condition.date);
    return now < until;
  });
}

/** Whether it is time for an object to go. */
export function isExpired(rules: readonly LifecycleRule[], { key, uploaded }: StoredObject, now: number): boolean {
  return rulesFor(rules, key).some(({ deleteObjectsTransition: to }) => to !== undefined && isDue(to.condition, uploaded, now));
}

/** The storage class that an object is to have by now; `undefined` where no rule says so. */
export function classFor(rules: readonly LifecycleRule[], { key, uploaded }: StoredObject, now: number): string | undefined {
  const all = rulesFor(rules, key).flatMap(({ storageClassTransitions = [] }) => storageClassTransitions);
  return all.find(({ condition }) => isDue(condition, uploaded, now))?.storageClass;
}

/** Whether it is time for an unfinished upload to go. */
export function isAbandoned(
  rules: readonly LifecycleRule[],
  { key, begun }: { readonly key: string; readonly begun: number },
  now: number,
): boolean {
  return rulesFor(rules, key).some(({ abortMultipartUploadsTransition: to }) => to !== undefined && isDue(to.condition, begun, now));
}

/** Whether any of the rules is about objects, so that they have to be looked at. */
export function touchObjects(rules: readonly LifecycleRule[]): boolean {
  return rules.some(
    (rule) => rule.enabled && (rule.deleteObjectsTransition !== undefined || (rule.storageClassTransitions ?? []).length > 0),
  );
}

function rulesFor(rules: readonly LifecycleRule[], key: string): readonly LifecycleRule[] {
  return rules.filter(({ enabled, conditions }) => enabled && key.startsWith(conditions.prefix ?? ""));
}

function isDue(condition: LifecycleCondition, since: number, now: number): boolean {
  return (condition.type === "Age" ? since + condition.maxAge * 1000 : Date.parse(condition.date)) <= now;
}
