import { Hono } from "hono";
import { readJson } from "../../api/body.js";
import { ok } from "../../api/envelope.js";
import { rolloutView } from "../../model/containers-views.js";
import { rolloutActionInput, rolloutInput } from "../../model/rollout-input.js";
import type { Services } from "../../services/services.js";

/** An application's rollouts. */
export function rollouts({ rollouts: service }: Services): Hono {
  return new Hono()
    .get("/applications/:id/rollouts", async (c) => {
      const all = await service.list(c.req.param("id"));
      const after = all.findIndex((each) => each.id === c.req.query("last")) + 1;
      const limit = Number(c.req.query("limit") ?? all.length);
      return ok(all.slice(after, after + (limit > 0 ? limit : all.length)).map(rolloutView));
    })
    .post("/applications/:id/rollouts", async (c) =>
      ok(rolloutView(await service.create(c.req.param("id"), await readJson(c.req.raw, rolloutInput)))),
    )
    .get("/applications/:id/rollouts/:rollout", async (c) => ok(rolloutView(await service.get(c.req.param("id"), c.req.param("rollout")))))
    .post("/applications/:id/rollouts/:rollout", async (c) => {
      const { action } = await readJson(c.req.raw, rolloutActionInput);
      const rollout = await service.act(c.req.param("id"), c.req.param("rollout"), action);
      return ok({ success: true, message: `${action}: under way`, rollout: rolloutView(rollout) });
    });
}
