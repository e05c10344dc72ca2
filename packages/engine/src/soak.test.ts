import assert from "node:assert/strict";
import { test } from "node:test";
import { soak } from "./testing/soak/soak.js";

test("containers that came and went, and crashed, have left nothing", { timeout: 180_000 }, async (t) => {
  const { differences, heapPerContainer } = await soak({ warmUp: 10, cycles: 30, crashes: 12, width: 3 });
  t.diagnostic(`${heapPerContainer} bytes of heap for each container`);
  assert.deepEqual(differences, []);
});
