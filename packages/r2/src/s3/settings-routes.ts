import { type BucketSettings, type CorsRule, DEFAULT_LIFECYCLE, type LifecycleCondition, type LifecycleRule } from "@longshore/contract";
import { z } from "zod";
import { R2Error } from "../errors.js";
import { type Exchange, recordOf, sendNothing, sendXml } from "./exchange.js";
import { storageClassIn, storageClassName } from "./facts.js";
import { readPayload } from "./payload.js";
import { parseXml, type Tree } from "./xml.js";

const LARGEST_REQUEST = 1024 ** 2;
const MOST_RULES = 1000;
const DAY_S = 24 * 3600;

/** An element that may be there several times, at least `least`. */
const several = <T extends z.ZodType>(each: T, least = 0) =>
  z.preprocess((value) => (value === undefined ? [] : [value].flat()), z.array(each).min(least).max(MOST_RULES));
const text = z.string().max(1024);
const whole = z.coerce
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const corsRule = z
  .object({
    ID: text.optional(),
    AllowedOrigin: several(text.min(1), 1),
    AllowedMethod: several(z.enum(["GET", "PUT", "POST", "DELETE", "HEAD"]), 1),
    AllowedHeader: several(text),
    ExposeHeader: several(text.regex(/^[\w!#$%&'*+.^`|~-]+$/)),
    MaxAgeSeconds: whole.optional(),
  })
  .transform(
    ({ ID, AllowedOrigin, AllowedMethod, AllowedHeader, ExposeHeader, MaxAgeSeconds }): CorsRule => ({
      ...(ID === undefined ? {} : { id: ID }),
      allowed: { origins: AllowedOrigin, methods: AllowedMethod, headers: AllowedHeader },
      exposeHeaders: ExposeHeader,
      ...(MaxAgeSeconds === undefined ? {} : { maxAgeSeconds: MaxAgeSeconds }),
    }),
  );
const corsConfiguration = z.object({ CORSRule: several(corsRule) });

/** PutBucketCors. */
export async function putCors(exchange: Exchange): Promise<void> {
  const { CORSRule } = await read(exchange, "CORSConfiguration", corsConfiguration);
  await change(exchange, { cors: CORSRule });
}

export async function getCors(exchange: Exchange): Promise<void> {
  const { cors = [] } = await recordOf(exchange);
  if (cors.length === 0) throw new R2Error("NoSuchCORSConfiguration");
  const CORSRule = cors.map(({ id, allowed, exposeHeaders = [], maxAgeSeconds }) => ({
    ID: id,
    AllowedOrigin: allowed.origins,
    AllowedMethod: allowed.methods,
    AllowedHeader: allowed.headers ?? [],
    ExposeHeader: exposeHeaders,
    MaxAgeSeconds: maxAgeSeconds,
  }));
  sendXml(exchange, "CORSConfiguration", { CORSRule });
}

export async function deleteCors(exchange: Exchange): Promise<void> {
  await exchange.storage.changeBucket(exchange.bucket, { cors: [] });
  sendNothing(exchange, 204);
}

const date = z.iso.datetime({ offset: true }).or(z.iso.date());
const due = z
  .object({ Days: whole.optional(), Date: date.optional() })
  .refine(({ Days, Date: at }) => (Days === undefined) !== (at === undefined))
  .transform(
    ({ Days = 0, Date: at }): LifecycleCondition => (at === undefined ? { type: "Age", maxAge: Days * DAY_S } : { type: "Date", date: at }),
  );
/** Between elements there may be text, which says nothing. */
const filter = z.union([z.string(), z.strictObject({ Prefix: text.optional(), "#text": z.string().optional() })]);
const lifecycleRule = z.object({
  ID: text.min(1).optional(),
  Status: z.enum(["Enabled", "Disabled"]),
  Prefix: text.optional(),
  Filter: filter.optional(),
  Expiration: due.optional(),
  Transition: several(z.object({ Days: z.unknown().optional(), Date: z.unknown().optional(), StorageClass: z.string() })),
  AbortIncompleteMultipartUpload: z.object({ DaysAfterInitiation: whole }).optional(),
});
const lifecycleConfiguration = z.object({ Rule: several(lifecycleRule, 1) });

/** PutBucketLifecycleConfiguration. Filters by anything but a prefix are refused, as R2 does. */
export async function putLifecycle(exchange: Exchange): Promise<void> {
  const { Rule } = await read(exchange, "LifecycleConfiguration", lifecycleConfiguration);
  await change(exchange, { lifecycle: Rule.map((rule, n) => lifecycleOf(rule, `rule-${n + 1}`)) });
}

function lifecycleOf(rule: z.output<typeof lifecycleRule>, name: string): LifecycleRule {
  const { ID = name, Status, Prefix, Filter, Expiration, Transition, AbortIncompleteMultipartUpload: abort } = rule;
  const prefix = (typeof Filter === "object" ? Filter.Prefix : undefined) ?? Prefix;
  const transitions = Transition.map(({ StorageClass, ...when }) => {
    const condition = due.safeParse(when);
    if (!condition.success) throw new R2Error("MalformedXML", undefined, { cause: condition.error });
    return { condition: condition.data, storageClass: storageClassIn(StorageClass) };
  });
  return {
    id: ID,
    enabled: Status === "Enabled",
    conditions: prefix === undefined ? {} : { prefix },
    ...(Expiration === undefined ? {} : { deleteObjectsTransition: { condition: Expiration } }),
    ...(transitions.length === 0 ? {} : { storageClassTransitions: transitions }),
    ...(abort === undefined
      ? {}
      : { abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: abort.DaysAfterInitiation * DAY_S } as const } }),
  };
}

export async function getLifecycle(exchange: Exchange): Promise<void> {
  const { lifecycle = DEFAULT_LIFECYCLE } = await recordOf(exchange);
  if (lifecycle.length === 0) throw new R2Error("NoSuchLifecycleConfiguration");
  const Rule = lifecycle.map((rule): Tree => {
    const {
      id,
      enabled,
      conditions,
      deleteObjectsTransition: expire,
      storageClassTransitions = [],
      abortMultipartUploadsTransition: abort,
    } = rule;
    return {
      ID: id,
      Status: enabled ? "Enabled" : "Disabled",
      Filter: { Prefix: conditions.prefix ?? "" },
      Expiration: expire === undefined ? undefined : dueTree(expire.condition),
      Transition: storageClassTransitions.map(({ condition, storageClass }) => ({
        ...dueTree(condition),
        StorageClass: storageClassName(storageClass),
      })),
      AbortIncompleteMultipartUpload: abort === undefined ? undefined : { DaysAfterInitiation: dueTree(abort.condition).Days ?? 0 },
    };
  });
  sendXml(exchange, "LifecycleConfiguration", { Rule });
}

export async function deleteLifecycle(exchange: Exchange): Promise<void> {
  await exchange.storage.changeBucket(exchange.bucket, { lifecycle: [] });
  sendNothing(exchange, 204);
}

/** S3 knows days alone: what was said in seconds is rounded up. */
function dueTree(condition: LifecycleCondition): { readonly Days?: number; readonly Date?: string } {
  return condition.type === "Age" ? { Days: Math.ceil(condition.maxAge / DAY_S) } : { Date: condition.date };
}

async function read<T extends z.ZodType>({ payload }: Exchange, root: string, form: T): Promise<z.output<T>> {
  const request = form.safeParse(parseXml(await readPayload(payload, LARGEST_REQUEST), root));
  if (!request.success) throw new R2Error("MalformedXML", undefined, { cause: request.error });
  return request.data;
}

async function change(exchange: Exchange, settings: BucketSettings): Promise<void> {
  await exchange.storage.changeBucket(exchange.bucket, settings);
  sendNothing(exchange, 200);
}
