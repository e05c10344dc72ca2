import { LongshoreError } from "@longshore/contract";
import { Hono } from "hono";
import { z } from "zod";
import { checked, parseJson, readForm, readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { notServed } from "../api/errors.js";
import { inheritWhereEmpty } from "../model/bindings.js";
import type { ScriptSettings } from "../model/script-head.js";
import { uploadedBinding } from "../model/upload-metadata.js";
import { scriptSettingsView, settingsView } from "../model/worker-views.js";
import type { Services } from "../services/services.js";

const FORM_LIMIT = 4 * 1024 * 1024;

const scriptSettings = z.looseObject({
  tail_consumers: z.array(z.unknown()).nullish(),
  logpush: z.boolean().nullish(),
  observability: z.record(z.string(), z.unknown()).nullish(),
  tags: z.array(z.string()).nullish(),
});

const settingsBody = scriptSettings.extend({ bindings: z.array(uploadedBinding).nullish() });
const SETTINGS_SERVED: ReadonlySet<string> = new Set(Object.keys(settingsBody.shape));

/** A script's settings: those of its running version (bindings), and those beside its versions. */
export function settings({ store, changes }: Services): Hono {
  return new Hono()
    .get("/workers/scripts/:script/settings", async (c) => {
      const { value: head } = await store.head(c.req.param("script"));
      return ok(settingsView(head, await store.activeVersion(head)));
    })
    .patch("/workers/scripts/:script/settings", async (c) => {
      const script = c.req.param("script");
      const form = await readForm(c.req.raw, FORM_LIMIT);
      const input = checked(parseJson(await textPart(form, "settings"), "The settings part"), settingsBody, "The settings part");
      const unknown = Object.keys(input).find((key) => !SETTINGS_SERVED.has(key));
      if (unknown !== undefined) throw notServed(`Changing "${unknown}" without an upload`, "Deploy the Worker instead.");
      const kept = settingsToKeep(input);
      if (input.bindings) await changes.changeBindings(script, input.bindings.map(inheritWhereEmpty));
      if (Object.keys(kept).length > 0) await changes.changeSettings(script, kept);
      const { value: head } = await store.head(script);
      return ok(settingsView(head, await store.activeVersion(head)));
    })
    .get("/workers/scripts/:script/script-settings", async (c) => ok(scriptSettingsView((await store.head(c.req.param("script"))).value)))
    .patch("/workers/scripts/:script/script-settings", async (c) => {
      const kept = settingsToKeep(await readJson(c.req.raw, scriptSettings));
      return ok(scriptSettingsView(await changes.changeSettings(c.req.param("script"), kept)));
    });
}

function settingsToKeep(input: z.infer<typeof scriptSettings>): ScriptSettings {
  if ((input.tail_consumers ?? []).length > 0) throw notServed("Tail consumers (`tail_consumers`)");
  if (input.logpush === true) throw notServed("Logpush (`logpush`)");
  return {
    ...(input.observability ? { observability: input.observability } : {}),
    ...(input.tags ? { tags: input.tags } : {}),
  };
}

async function textPart(form: FormData, name: string): Promise<string> {
  const part = form.get(name);
  if (part === null) throw new LongshoreError("INVALID_INPUT", `The request has no "${name}" part.`);
  return typeof part === "string" ? part : part.text();
}
