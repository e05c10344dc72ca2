import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { schedulesView } from "../model/worker-views.js";
import type { Services } from "../services/services.js";

const schedules = z.array(z.object({ cron: z.string().min(1).max(200) })).max(100);

/** Times at which a Worker is started. */
export function triggers({ store, changes }: Services): Hono {
  return new Hono()
    .get("/workers/scripts/:script/schedules", async (c) => ok(schedulesView((await store.head(c.req.param("script"))).value)))
    .put("/workers/scripts/:script/schedules", async (c) => {
      const script = c.req.param("script");
      await store.head(script);
      const crons = (await readJson(c.req.raw, schedules)).map(({ cron }) => cron);
      return ok(schedulesView(await changes.changeCrons(script, [...new Set(crons)])));
    });
}
