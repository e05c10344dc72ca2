import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { notServed } from "../api/errors.js";
import { schedulesView } from "../model/worker-views.js";
import type { Services } from "../services/services.js";

const list = z.array(z.unknown());
const schedules = z.array(z.object({ cron: z.string().min(1).max(200) })).max(100);
const records = z.looseObject({ origins: list.nullish() });
const DEPLOYED = "Take it out of the configuration file and deploy again; the Worker itself has been deployed.";

/** What starts a Worker apart from its own host name. What is not served yet accepts that there is none. */
export function triggers({ store, changes }: Services): Hono {
  const none = (items: readonly unknown[] | null | undefined, what: string): void => {
    if (items && items.length > 0) throw notServed(what, DEPLOYED);
  };
  return new Hono()
    .use("/workers/scripts/:script/:kind{schedules|routes}", async (c, next) => {
      await store.head(c.req.param("script"));
      await next();
    })
    .get("/workers/scripts/:script/schedules", async (c) => ok(schedulesView((await store.head(c.req.param("script"))).value)))
    .put("/workers/scripts/:script/schedules", async (c) => {
      const crons = (await readJson(c.req.raw, schedules)).map(({ cron }) => cron);
      return ok(schedulesView(await changes.changeCrons(c.req.param("script"), [...new Set(crons)])));
    })
    .get("/workers/scripts/:script/routes", () => ok([]))
    .put("/workers/scripts/:script/routes", async (c) => {
      none(await readJson(c.req.raw, list), "A route (`routes`)");
      return ok([]);
    })
    .get("/workers/domains", () => ok([]))
    .put("/workers/scripts/:script/domains/records", async (c) => {
      none((await readJson(c.req.raw, records)).origins, "A custom domain (`routes`)");
      return ok([]);
    })
    .post("/workers/scripts/:script/domains/changeset", async (c) => {
      none(await readJson(c.req.raw, list), "A custom domain (`routes`)");
      return ok({ added: [], removed: [], updated: [], conflicting: [] });
    });
}
