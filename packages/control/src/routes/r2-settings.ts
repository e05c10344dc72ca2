import { DEFAULT_LIFECYCLE } from "@longshore/contract";
import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { API_CODE, ApiError } from "../api/errors.js";
import type { Services } from "../services/services.js";

const MOST_CORS_RULES = 100;
const MOST_RULES = 1000;

const text = z.string().max(1024);
const seconds = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const date = z.iso.datetime({ offset: true }).or(z.iso.date());
const headerName = text.regex(/^[\w!#$%&'*+.^`|~-]+$/, "the name of a header");

const corsRule = z.object({
  id: text.optional(),
  allowed: z.object({
    origins: z.array(text.min(1)).min(1).max(100),
    methods: z.array(z.enum(["GET", "PUT", "POST", "DELETE", "HEAD"])).min(1),
    headers: z.array(headerName).max(100).optional(),
  }),
  exposeHeaders: z.array(headerName).max(100).optional(),
  maxAgeSeconds: seconds.optional(),
});
const cors = z.object({ rules: z.array(corsRule).max(MOST_CORS_RULES) });

const due = z.discriminatedUnion("type", [
  z.object({ type: z.literal("Age"), maxAge: seconds }),
  z.object({ type: z.literal("Date"), date }),
]);
const id = text.min(1);
const lifecycleRule = z.object({
  id,
  enabled: z.boolean(),
  conditions: z.object({ prefix: text.optional() }).default({}),
  deleteObjectsTransition: z.object({ condition: due }).optional(),
  storageClassTransitions: z
    .array(z.object({ condition: due, storageClass: z.literal("InfrequentAccess") }))
    .max(10)
    .optional(),
  abortMultipartUploadsTransition: z.object({ condition: due }).optional(),
});
const lifecycle = z.object({ rules: rules(lifecycleRule) });

const lockRule = z.object({
  id,
  enabled: z.boolean(),
  prefix: text.optional(),
  condition: z.discriminatedUnion("type", [
    z.object({ type: z.literal("Age"), maxAgeSeconds: seconds }),
    z.object({ type: z.literal("Date"), date }),
    z.object({ type: z.literal("Indefinite") }),
  ]),
});
const locks = z.object({ rules: rules(lockRule) });

/** What a bucket's owner has said about it: CORS, lifecycle and lock rules. Each list is replaced as a whole. */
export function r2Settings({ buckets }: Services): Hono {
  return new Hono()
    .get("/r2/buckets/:bucket/cors", async (c) => {
      const { cors: found = [] } = await buckets.get(c.req.param("bucket"));
      if (found.length === 0) throw new ApiError("NOT_FOUND", API_CODE.CORS_NOT_FOUND, "The CORS configuration does not exist.");
      return ok({ rules: found });
    })
    .put("/r2/buckets/:bucket/cors", async (c) => {
      await buckets.change(c.req.param("bucket"), { cors: (await readJson(c.req.raw, cors)).rules });
      return ok({});
    })
    .delete("/r2/buckets/:bucket/cors", async (c) => {
      await buckets.change(c.req.param("bucket"), { cors: [] });
      return ok({});
    })
    .get("/r2/buckets/:bucket/lifecycle", async (c) =>
      ok({ rules: (await buckets.get(c.req.param("bucket"))).lifecycle ?? DEFAULT_LIFECYCLE }),
    )
    .put("/r2/buckets/:bucket/lifecycle", async (c) => {
      await buckets.change(c.req.param("bucket"), { lifecycle: (await readJson(c.req.raw, lifecycle)).rules });
      return ok({});
    })
    .get("/r2/buckets/:bucket/lock", async (c) => ok({ rules: (await buckets.get(c.req.param("bucket"))).locks ?? [] }))
    .put("/r2/buckets/:bucket/lock", async (c) => {
      await buckets.change(c.req.param("bucket"), { locks: (await readJson(c.req.raw, locks)).rules });
      return ok({});
    });
}

/** Rules that are told apart by their ids. */
function rules<T extends z.ZodType<{ readonly id: string }>>(each: T) {
  return z
    .array(each)
    .max(MOST_RULES)
    .refine((all) => new Set(all.map((rule) => rule.id)).size === all.length, "two rules have the same id");
}
