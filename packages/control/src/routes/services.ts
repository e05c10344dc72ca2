import { Hono } from "hono";
import { ok } from "../api/envelope.js";
import { scriptView } from "../model/worker-views.js";
import { removeScript } from "../services/removal.js";
import type { Services } from "../services/services.js";

/** A Worker as a service with its one environment: how clients ask whether it exists, and how they delete it. */
export function services({ store, removal, addresses }: Services): Hono {
  return new Hono()
    .get("/workers/services/:script", async (c) => {
      const { value: head } = await store.head(c.req.param("script"));
      const times = { created_on: head.createdOn, modified_on: head.modifiedOn };
      const environment = { environment: "production", ...times, script: scriptView(head) };
      return ok({ id: head.name, default_environment: environment, environments: [environment], ...times });
    })
    .delete("/workers/services/:script", async (c) => {
      await removeScript(removal, c.req.param("script")).finally(() => addresses.publish());
      return ok(null);
    });
}
