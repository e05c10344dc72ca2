import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { API_CODE, ApiError, notServed } from "../api/errors.js";
import { secretsView } from "../model/worker-views.js";
import type { Services } from "../services/services.js";

const secret = z.object({ name: z.string().min(1).max(255), text: z.string(), type: z.string().nullish() });
const bulk = z.object({
  secrets: z.record(z.string().min(1).max(255), z.looseObject({ text: z.string(), type: z.string().nullish() }).nullable()),
});

/** A script's secrets. What goes in does not come out. */
export function secrets(services: Services): Hono {
  const { changes } = services;
  return new Hono()
    .get("/workers/scripts/:script/secrets", async (c) => ok(await listSecrets(services, c.req.param("script"))))
    .put("/workers/scripts/:script/secrets", async (c) => {
      const { name, text, type } = await readJson(c.req.raw, secret);
      assertSecretText(name, type);
      await changes.changeSecrets(c.req.param("script"), new Map([[name, text]]));
      return ok({ name, type: "secret_text" });
    })
    .patch("/workers/scripts/:script/secrets-bulk", async (c) => {
      const input = await readJson(c.req.raw, bulk);
      const entries = Object.entries(input.secrets);
      for (const [name, value] of entries) assertSecretText(name, value?.type);
      const version = await changes.changeSecrets(
        c.req.param("script"),
        new Map(entries.map(([name, value]) => [name, value === null ? null : value.text])),
      );
      return ok(secretsView(version));
    })
    .get("/workers/scripts/:script/secrets/:name", async (c) => ok(await findSecret(services, c.req.param("script"), c.req.param("name"))))
    .delete("/workers/scripts/:script/secrets/:name", async (c) => {
      const { script, name } = c.req.param();
      await findSecret(services, script, name);
      await changes.changeSecrets(script, new Map([[name, null]]));
      return ok(null);
    });
}

async function listSecrets({ store }: Services, script: string): Promise<{ name: string; type: string }[]> {
  const { value: head } = await store.head(script);
  return secretsView(await store.activeVersion(head));
}

async function findSecret(services: Services, script: string, name: string): Promise<{ name: string; type: string }> {
  const found = (await listSecrets(services, script)).find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new ApiError("NOT_FOUND", API_CODE.SECRET_NOT_FOUND, `Worker "${script}" has no secret "${name}".`, {
    hint: "`wrangler secret list` names the ones it has.",
  });
}

function assertSecretText(name: string, type: string | null | undefined): void {
  if (typeof type === "string" && type !== "secret_text") throw notServed(`Secret "${name}" of type "${type}"`);
}
