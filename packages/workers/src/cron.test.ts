import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fetchText, testHost } from "./fixtures.js";

const code = `export default { fetch: () => new Response("fine"), scheduled() { console.log("ran"); } };`;

test("expressions are read as Cloudflare reads them, and a wrong one is named before anything changes", async () => {
  await using it = await testHost();
  const target = it.modules.target("clock", code);
  await it.host.check({ ...target, crons: ["*/2 * * * *", "0 9 * * MON-FRI", "59 23 LW * *", "0 0 * * 7#1"] });
  await assert.rejects(it.host.check({ ...target, crons: ["*/5 * * * *", "61 * * * *"] }), {
    code: "INVALID_INPUT",
    message: /cron trigger "61 \* \* \* \*": minute field has 61/,
  });
  const alone = it.modules.target("clock", code, { mainModule: "", modules: [], assets: { id: "0", listKey: "none", config: {} } });
  await assert.rejects(it.host.check({ ...alone, crons: ["* * * * *"] }), {
    code: "INVALID_INPUT",
    message: /no code that they could run/,
  });
});

test("a Worker with triggers serves, and what is known about its next run goes with the last of them", async () => {
  await using it = await testHost();
  const target = it.modules.target("clock", code);
  await it.host.apply({ ...target, crons: ["0 0 1 1 *"] });
  assert.equal(await fetchText(it.host, "clock"), "fine");
  const schedule = join(it.directory, "data/clock/objects/longshore-cron");
  assert(existsSync(schedule));
  await it.host.apply(target);
  assert.equal(await fetchText(it.host, "clock"), "fine");
  assert.equal(existsSync(schedule), false);
});
