import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fillBusybox } from "./testing/image-source.js";
import { NAMESPACE, runningEngine } from "./testing/running-engine.js";
import { TestWorker } from "./testing/worker.js";

const CASE_DEADLINE_MS = 90_000;

test("what a Worker may expect of ctx.container", async (t) => {
  const storage = mkdtempSync(join(tmpdir(), "longshore-s-"));
  t.after(() => rmSync(storage, { recursive: true, force: true }));
  await using engine = await runningEngine();
  engine.images.add("acc/web:other", {
    config: { Env: ["PATH=/bin"] },
    fill(directory) {
      fillBusybox(directory);
      writeFileSync(join(directory, "other"), "from the other image\n");
    },
  });
  const options = { script: "container-client.js", classes: { Box: NAMESPACE }, engineSocket: engine.socket, storage };
  await using worker = await TestWorker.start(options);
  const names = JSON.parse(await worker.ask("/")) as string[];
  assert.ok(names.length > 0);
  for (const name of names) {
    await t.test(name, { timeout: CASE_DEADLINE_MS }, async () => {
      assert.equal(await worker.ask(`/${encodeURIComponent(name)}`), "passed");
    });
  }
});
