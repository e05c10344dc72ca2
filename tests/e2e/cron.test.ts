import assert from "node:assert/strict";
import { eventually, platformSuite } from "@longshore/testkit";
import { busyboxApp } from "./busybox-app.js";

const { test } = platformSuite();

/** The documented container on a schedule, which also counts its runs. */
const FIELDS = `
  ran(time) { this.ctx.storage.kv.put("runs", [...(this.ctx.storage.kv.get("runs") ?? []), time]); }
  runs() { return this.ctx.storage.kv.get("runs") ?? []; }`;
const RUNS = `if (url.pathname === "/runs") return Response.json(await getContainer(env.BOX).runs());`;
const SCHEDULED = `async scheduled(controller, env) {
    const box = getContainer(env.BOX);
    await box.start({ envVars: { MESSAGE: "Start time: " + new Date().toISOString() } });
    await box.ran(controller.cron + " " + controller.scheduledTime);
  },
  async fetch(`;

test("a cron trigger starts a container, once for each time, also when the Worker is killed before", async (platform) => {
  using app = busyboxApp({ name: "clock", fields: FIELDS, before: RUNS, config: { triggers: { crons: ["* * * * *"] } } });
  app.replace("index.js", "async fetch(", SCHEDULED);
  await platform.deploy(app.path);
  await platform.kill({ workerd: "clock" });
  const runs = await eventually("a run", 100_000, async () => {
    const made = (await (await platform.fetch("clock", "/runs")).json()) as string[];
    return made.length > 0 ? made : undefined;
  });
  assert.equal(new Set(runs).size, runs.length, `${runs}`);
  assert.match(runs[0] ?? "", /^\* \* \* \* \* \d+$/);
  assert.equal(Number(runs[0]?.split(" ").pop()) % 60_000, 0);
  await eventually(
    "its container",
    60_000,
    async () => ["starting", "running"].includes((await platform.instances("clock"))[0]?.status ?? "") || undefined,
  );
});

test("a wrong expression is named, and the triggers stay as they were", async (platform) => {
  using app = busyboxApp({ name: "clock", fields: FIELDS, config: { triggers: { crons: ["0 25 * * *"] } } });
  const { code, stdout, stderr } = await platform.wrangler(app.path, ["deploy"], { version: "latest" });
  assert.notEqual(code, 0);
  assert.match(`${stdout}${stderr}`, /cron trigger "0 25 \* \* \*": hour field has 25/);
});
