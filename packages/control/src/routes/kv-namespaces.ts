import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok, page } from "../api/envelope.js";
import type { KvNamespace } from "../model/stores.js";
import type { Services } from "../services/services.js";

const body = z.object({ title: z.string().min(1).max(512) });

/** The account's KV namespaces. */
export function kvNamespaces({ stores }: Services): Hono {
  return new Hono()
    .get("/storage/kv/namespaces", async (c) => {
      const all = (await stores.namespaces()).map(view);
      return page(c.req.query("direction") === "desc" ? all.reverse() : all, (name) => c.req.query(name));
    })
    .post("/storage/kv/namespaces", async (c) => ok(view(await stores.createNamespace((await readJson(c.req.raw, body)).title))))
    .get("/storage/kv/namespaces/:namespace", async (c) => ok(view(await stores.namespace(c.req.param("namespace")))))
    .put("/storage/kv/namespaces/:namespace", async (c) => {
      const { title } = await readJson(c.req.raw, body);
      return ok(view(await stores.renameNamespace(c.req.param("namespace"), title)));
    })
    .delete("/storage/kv/namespaces/:namespace", async (c) => {
      await stores.deleteNamespace(c.req.param("namespace"));
      return ok(null);
    });
}

function view({ id, title }: KvNamespace): Record<string, unknown> {
  return { id, title, supports_url_encoding: true };
}
