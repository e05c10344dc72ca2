import { LongshoreError } from "@longshore/contract";
import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { deploymentView } from "../model/worker-views.js";
import type { Services } from "../services/services.js";

const body = z.looseObject({
  strategy: z.literal("percentage"),
  versions: z.array(z.object({ version_id: z.string(), percentage: z.number().min(0).max(100) })).min(1),
  annotations: z.record(z.string(), z.string()).nullish(),
});

/** A script's deployments: which version ran from when. */
export function deployments({ store, changes }: Services): Hono {
  return new Hono()
    .get("/workers/scripts/:script/deployments", async (c) => {
      const { value: head } = await store.head(c.req.param("script"));
      return ok({ deployments: head.deployments.map(deploymentView) });
    })
    .post("/workers/scripts/:script/deployments", async (c) => {
      const { versions, annotations } = await readJson(c.req.raw, body);
      return ok(deploymentView(await changes.deployVersion(c.req.param("script"), { versions, annotations: annotations ?? {} })));
    })
    .get("/workers/scripts/:script/deployments/:deployment", async (c) => {
      const { value: head } = await store.head(c.req.param("script"));
      const found = head.deployments.find((each) => each.id === c.req.param("deployment"));
      if (found === undefined) {
        throw new LongshoreError("NOT_FOUND", `Worker "${head.name}" has no deployment ${c.req.param("deployment")}.`);
      }
      return ok(deploymentView(found));
    });
}
