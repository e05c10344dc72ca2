import { LongshoreError } from "@longshore/contract";
import { Hono } from "hono";
import { readForm } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { SCRIPT_NAME_PATTERN } from "../model/ids.js";
import { scriptView, uploadView } from "../model/worker-views.js";
import { removeScript } from "../services/removal.js";
import type { Services } from "../services/services.js";

/** The most that an upload may have, in bytes. */
export const UPLOAD_LIMIT = 64 * 1024 * 1024;

/** Workers: upload, list, delete. */
export function scripts({ store, uploads, removal, addresses }: Services): Hono {
  return new Hono()
    .get("/workers/scripts", async () => ok((await store.liveHeads()).map(scriptView)))
    .put("/workers/scripts/:script", async (c) => {
      const script = c.req.param("script");
      assertScriptName(script);
      const { head, version, startupMs } = await uploads.deploy(script, await readForm(c.req.raw, UPLOAD_LIMIT));
      if (version.number === 1) await addresses.publish();
      return ok(uploadView(head, version, startupMs));
    })
    .delete("/workers/scripts/:script", async (c) => {
      await removeScript(removal, c.req.param("script")).finally(() => addresses.publish());
      return ok(null);
    })
    .get("/workers/scripts/:script/references", async (c) => {
      await store.head(c.req.param("script"));
      return ok({ services: { incoming: [], outgoing: [], pages_function: false }, durable_objects: [], dispatch_outbounds: [] });
    })
    .get("/workers/tails/by-consumer/:script", () => ok([]));
}

/** Errors: `INVALID_INPUT`. */
export function assertScriptName(name: string): void {
  if (SCRIPT_NAME_PATTERN.test(name)) return;
  throw new LongshoreError("INVALID_INPUT", `"${name}" cannot be the name of a Worker.`, {
    hint: "Use up to 63 lower-case letters, digits, dashes and underscores; it becomes part of a host name.",
  });
}
