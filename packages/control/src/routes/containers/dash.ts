import { Hono } from "hono";
import { ok, tokenPage } from "../../api/envelope.js";
import { dashApplicationView, dashInstanceViews } from "../../model/containers-views.js";
import type { Services } from "../../services/services.js";

/** The lists that people look at. */
export function dash({ applications, options, place }: Services): Hono {
  return new Hono()
    .get("/dash/applications", async (c) => {
      const instances = await options.engine.instances();
      const all = (await applications.list()).map((each) => dashApplicationView(each, instances));
      const { items, info } = tokenPage(all, (name) => c.req.query(name));
      return ok(items, info);
    })
    .get("/dash/applications/:id/instances", async (c) => {
      const application = await applications.get(c.req.param("id"));
      const rows = dashInstanceViews(application, await options.engine.instances(application.script), place.location);
      const { items, info } = tokenPage(rows, (name) => c.req.query(name));
      return ok({ instances: items.map((each) => each.instance), durable_objects: items.map((each) => each.durable_object) }, info);
    });
}
