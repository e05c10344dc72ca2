import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { notServed } from "../api/errors.js";
import type { ScriptHead } from "../model/script-head.js";
import { subdomainView, workerEntityView } from "../model/worker-views.js";
import type { Services } from "../services/services.js";

const switches = z.looseObject({ enabled: z.boolean(), previews_enabled: z.boolean().nullish() });
const switchesChange = switches.partial();
const entity = z.object({ subdomain: switchesChange.nullish() });

/** Whether a Worker is reached by the host name that its own name gives it. */
export function subdomain({ store, addresses, options }: Services): Hono {
  const change = (script: string, input: z.infer<typeof switchesChange>): Promise<ScriptHead> =>
    addresses.change(script, (head) => ({
      ...head,
      subdomain: {
        enabled: input.enabled ?? head.subdomain.enabled,
        previewsEnabled: input.previews_enabled ?? head.subdomain.previewsEnabled,
      },
    }));
  return new Hono()
    .get("/workers/subdomain", () => ok({ subdomain: options.subdomain }))
    .put("/workers/subdomain", () => {
      throw notServed("Changing the account's subdomain", "It is set where the server is configured.");
    })
    .get("/workers/scripts/:script/subdomain", async (c) => ok(subdomainView((await store.head(c.req.param("script"))).value)))
    .post("/workers/scripts/:script/subdomain", async (c) =>
      ok(subdomainView(await change(c.req.param("script"), await readJson(c.req.raw, switches)))),
    )
    .get("/workers/workers/:script", async (c) => ok(workerEntityView((await store.head(c.req.param("script"))).value)))
    .patch("/workers/workers/:script", async (c) => {
      const input = await readJson(c.req.raw, entity);
      return ok(workerEntityView(await change(c.req.param("script"), input.subdomain ?? {})));
    });
}
