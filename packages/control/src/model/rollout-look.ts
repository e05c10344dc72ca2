import { type ExitRecord, hasFailed, type InstanceInfo } from "@longshore/contract";
import { arrived, failed, type Rollout, type RolloutFailure, reaching, watched } from "./rollout.js";
import type { RolloutMove } from "./rollout-plan.js";

/** How often to look while new instances are watched. */
const WATCH_MS = 500;
/** A new instance that is still starting when it has been watched long enough is watched longer, but not for ever. */
const STARTING_MS = 60_000;

/** What a look makes of the rollout, if anything, and when to look again, if time alone may change that. */
export function nextOf(
  rollout: Rollout,
  move: RolloutMove,
  failure: RolloutFailure | undefined,
  now: number,
  watchMs: number,
): { next?: Rollout; waitMs?: number } {
  const time = new Date(now).toISOString();
  const { totalInstances, updatedInstances, share, reachesAll } = move;
  const isNews = rollout.totalInstances !== totalInstances || rollout.updatedInstances !== updatedInstances;
  const seen = isNews ? { ...rollout, totalInstances, updatedInstances } : rollout;
  if (failure !== undefined) return { next: failed(seen, failure, time) };
  const forward = rollout.toward === "target";
  if (forward && rollout.steps[rollout.step - 1]?.share === undefined) return { next: reaching(seen, share, reachesAll) };
  const watch = forward && totalInstances > 0 && movesAnything(rollout) && rollout.onCrash !== "ignore" ? watchMs : 0;
  if (!move.arrived)
    return { ...(isNews ? { next: seen } : {}), ...(watch > 0 ? { waitMs: Math.min(WATCH_MS, move.waitMs ?? WATCH_MS) } : {}) };
  if (watch === 0) return { next: arrived(seen, time) };
  if (rollout.watchedSince === undefined) return { next: watched(seen, time) };
  const left = Date.parse(rollout.watchedSince) + watch - now;
  if (left > 0 || (move.starting && left > -STARTING_MS))
    return { ...(isNews ? { next: seen } : {}), waitMs: Math.min(WATCH_MS, Math.max(left, 50)) };
  return { next: arrived(seen, time) };
}

/** The first instance on the target that has failed since the rollout began. */
export function firstFailure(rollout: Rollout, instances: readonly InstanceInfo[], applicationId: string): RolloutFailure | undefined {
  if (rollout.toward === "current" || !movesAnything(rollout) || rollout.onCrash === "ignore" || rollout.onCrash === undefined)
    return undefined;
  const since = Date.parse(rollout.crashesSince ?? rollout.createdAt);
  for (const { id, durableObjectId, version, exit, ...instance } of instances) {
    if (instance.applicationId !== applicationId || version !== rollout.target.version || exit === undefined) continue;
    if (!hasFailed(exit) || Date.parse(exit.at) < since) continue;
    return { instanceId: id, durableObjectId, reason: describeExit(exit), at: exit.at };
  }
  return undefined;
}

function describeExit({ reason, code, lastLines }: ExitRecord): string {
  const how = { oom: "ran out of memory", start_failure: "could not be started", lost: "ended, nobody saw how" };
  const what = reason in how ? how[reason as keyof typeof how] : `ended with exit code ${code}`;
  return lastLines.length === 0 ? `A new instance ${what}.` : `A new instance ${what}. Its last lines:\n${lastLines.join("\n")}`;
}

/** False when the target differs in nothing that a container would notice. */
function movesAnything({ current, target }: Rollout): boolean {
  return current.version !== target.version;
}
