import { Hono } from "hono";
import { readJson } from "../../api/body.js";
import { ok } from "../../api/envelope.js";
import type { Application } from "../../model/application.js";
import { createInput, modifyInput } from "../../model/application-input.js";
import { applicationView } from "../../model/containers-views.js";
import type { Services } from "../../services/services.js";

/** Containers applications. */
export function applications({ applications: service, options }: Services): Hono {
  const view = async (application: Application): Promise<Record<string, unknown>> =>
    applicationView(application, options.accountId, await options.engine.instances(application.script));
  return new Hono()
    .get("/applications", async (c) => {
      const { name, image } = c.req.query();
      const instances = await options.engine.instances();
      const picked = (await service.list())
        .filter((each) => name === undefined || each.name === name)
        .filter((each) => image === undefined || each.live.configuration.image === image);
      return ok(picked.map((each) => applicationView(each, options.accountId, instances)));
    })
    .post("/applications", async (c) => ok(await view(await service.create(await readJson(c.req.raw, createInput))), undefined, 201))
    .get("/applications/:id", async (c) => ok(await view(await service.get(c.req.param("id")))))
    .patch("/applications/:id", async (c) =>
      ok(await view(await service.modify(c.req.param("id"), await readJson(c.req.raw, modifyInput)))),
    )
    .delete("/applications/:id", async (c) => {
      await service.remove(c.req.param("id"));
      return ok({});
    });
}
