import { Hono } from "hono";
import { ok } from "../api/envelope.js";
import { notServed } from "../api/errors.js";
import type { Services } from "../services/services.js";

const IN_A_WORKER = "Let a Worker that is bound to the bucket do it, on an address of its own.";

/** What is around R2's buckets at Cloudflare, and not here: asked for, it is said that there is none; wanted, that there cannot be one. */
export function r2Products({ buckets }: Services): Hono {
  const app = new Hono();
  const none = (path: string, view: (bucket: string) => unknown): void => {
    app.get(path, async (c) => {
      const { name } = await buckets.get(c.req.param("bucket") ?? "");
      return ok(view(name));
    });
  };
  const refused = (path: string, methods: readonly string[], what: string, hint: string): void => {
    app.on([...methods], path, async (c) => {
      await buckets.get(c.req.param("bucket") ?? "");
      throw notServed(what, hint);
    });
  };
  const domains = "/r2/buckets/:bucket/domains";
  none(`${domains}/custom`, () => ({ domains: [] }));
  refused(`${domains}/custom`, ["POST"], "A custom domain of an R2 bucket", IN_A_WORKER);
  refused(`${domains}/custom/:domain`, ["GET", "PUT", "DELETE"], "A custom domain of an R2 bucket", IN_A_WORKER);
  none(`${domains}/managed`, () => ({ bucketId: "", domain: "", enabled: false }));
  refused(`${domains}/managed`, ["PUT"], "A public address of an R2 bucket (r2.dev)", IN_A_WORKER);
  none("/r2/buckets/:bucket/sippy", () => ({ enabled: false }));
  refused(
    "/r2/buckets/:bucket/sippy",
    ["PUT", "DELETE"],
    "Sippy, which copies from another store on demand,",
    "Copy the objects with rclone: docs/r2.md.",
  );
  none("/r2/buckets/:bucket/local-uploads", () => ({ enabled: false }));
  refused("/r2/buckets/:bucket/local-uploads", ["PUT"], "Local uploads to an R2 bucket", "There is one place here: all uploads are local.");
  const notifications = "/event_notifications/r2/:bucket/configuration";
  const send = "Send to the queue where the Worker writes to the bucket.";
  none(notifications, (bucketName) => ({ bucketName, queues: [] }));
  refused(`${notifications}/queues/:queue`, ["GET", "PUT", "DELETE"], "A notification of an R2 bucket's events", send);
  const catalog = "R2 Data Catalog";
  const anyCatalog = "Run a catalog of your own (Iceberg REST) over the bucket's S3 address.";
  refused("/r2-catalog/:bucket", ["GET"], catalog, anyCatalog);
  for (const path of ["enable", "disable", "credential"]) refused(`/r2-catalog/:bucket/${path}`, ["POST"], catalog, anyCatalog);
  for (const path of ["", "/namespaces/:namespace/tables/:table"])
    refused(`/r2-catalog/:bucket${path}/maintenance-configs`, ["GET", "POST"], catalog, anyCatalog);
  return app;
}
