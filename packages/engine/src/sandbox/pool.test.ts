import assert from "node:assert/strict";
import { test } from "node:test";
import { containerName, runningEngine } from "../testing/running-engine.js";

test("before anybody asks, as many sandboxes wait as can start; none more than can", { timeout: 120_000 }, async () => {
  await using running = await runningEngine({}, { containerClass: { maxInstances: 4 }, settings: { poolAhead: true } });
  const { engine } = running.open;
  const made = async () => {
    await engine.settled();
    return (await engine.parts.host.cgroups.ids()).length;
  };
  assert.equal(await made(), 4);
  // Those that run are counted in.
  await running.start(1, ["/bin/busybox", "sleep", "1000"]);
  await running.start(2, ["/bin/busybox", "sleep", "1000"]);
  assert.equal(await made(), 4);
  await Promise.all([3, 4].map((n) => running.start(n, ["/bin/busybox", "sleep", "1000"])));
  // One waits of each class in any case, for the next version of its image.
  assert.equal(await made(), 5);
  const { containers } = engine.tenants.get("web") ?? {};
  for (const n of [1, 2, 3]) {
    const instance = containers?.get(containerName(n));
    assert.ok(instance !== undefined);
    await engine.stopInstance(instance.record.id, "signal", 0);
  }
  assert.equal(await made(), 4);
  await engine.deleteTenant("web");
  assert.equal(await made(), 0);
});
