import type { StorageBucket } from "@longshore/contract";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { notServed } from "../api/errors.js";
import type { Services } from "../services/services.js";

const created = z.looseObject({ name: z.string(), storageClass: z.string().nullish(), locationHint: z.string().nullish() });

/** The account's R2 buckets. */
export function r2Buckets({ buckets, options }: Services): Hono {
  return new Hono()
    .use("/r2/buckets/*", async (c, next) => {
      assertJurisdiction(c);
      await next();
    })
    .get("/r2/buckets", async () => ok({ buckets: (await options.objects.buckets()).map(view) }))
    .post("/r2/buckets", async (c) => {
      assertJurisdiction(c);
      const { name, storageClass, locationHint } = await readJson(c.req.raw, created);
      const wishes = { ...(storageClass ? { storageClass } : {}), ...(locationHint ? { location: locationHint } : {}) };
      return ok(view(await buckets.create(name, wishes)));
    })
    .get("/r2/buckets/:bucket", async (c) => ok(view(await buckets.get(c.req.param("bucket")))))
    .patch("/r2/buckets/:bucket", async (c) =>
      ok(view(await buckets.change(c.req.param("bucket"), { storageClass: c.req.header("cf-r2-storage-class") ?? "" }))),
    )
    .delete("/r2/buckets/:bucket", async (c) => {
      await buckets.delete(c.req.param("bucket"));
      return ok(null);
    });
}

function assertJurisdiction(c: Context): void {
  const jurisdiction = c.req.header("cf-r2-jurisdiction") ?? "default";
  if (jurisdiction !== "default") throw notServed(`An R2 bucket in the jurisdiction "${jurisdiction}"`, "Leave the jurisdiction out.");
}

function view({ name, createdOn, location, storageClass }: StorageBucket): Record<string, unknown> {
  return {
    name,
    creation_date: createdOn,
    storage_class: storageClass,
    jurisdiction: "default",
    ...(location === undefined ? {} : { location: location.toUpperCase() }),
  };
}
