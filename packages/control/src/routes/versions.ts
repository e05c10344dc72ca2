import { Hono } from "hono";
import { readForm } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { versionView } from "../model/worker-views.js";
import type { Services } from "../services/services.js";
import { UPLOAD_LIMIT } from "./scripts.js";

/** How many versions a list has at most; older ones are still there by id. */
const LISTED = 100;

/** A script's versions. */
export function versions({ store, uploads }: Services): Hono {
  return new Hono()
    .get("/workers/scripts/:script/versions", async (c) => {
      const script = c.req.param("script");
      await store.head(script);
      const all = (await store.versions(script).all()).sort((a, b) => b.number - a.number);
      return ok({ items: all.slice(0, LISTED).map(versionView) });
    })
    .post("/workers/scripts/:script/versions", async (c) => {
      const { version, startupMs } = await uploads.addVersion(c.req.param("script"), await readForm(c.req.raw, UPLOAD_LIMIT));
      return ok({ ...versionView(version), startup_time_ms: startupMs });
    })
    .get("/workers/scripts/:script/versions/:version", async (c) => {
      const script = c.req.param("script");
      await store.head(script);
      return ok(versionView(await store.version(script, c.req.param("version"))));
    });
}
