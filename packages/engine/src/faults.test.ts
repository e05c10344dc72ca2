import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KillStage } from "./testing/faults/kill-stage.js";
import { OPERATIONS } from "./testing/faults/operations.js";
import { spread } from "./testing/faults/run-walk.js";
import { Walk } from "./testing/faults/walk.js";

/** How many steps of each operation are tried here; `npm run faults` walks all of them. */
const SAMPLE: Readonly<Record<string, number>> = {
  start: 2,
  stop: 1,
  exit: 2,
  exec: 1,
  pull: 1,
  "save-directory": 1,
  "save-container": 1,
  recovery: 1,
};

let stage: KillStage | undefined;
let walk: Walk | undefined;

before(async () => {
  stage = await KillStage.begin();
  walk = await Walk.begin(stage);
});

after(async () => {
  await stage?.abandon();
});

for (const operation of OPERATIONS.filter(({ name }) => name in SAMPLE)) {
  test(`an engine that is killed in the middle of "${operation.name}" leaves nothing, and the next one goes on`, {
    timeout: 120_000,
  }, async (t) => {
    assert.ok(walk !== undefined);
    const rehearsal = await walk.rehearse(operation);
    for (const at of spread(SAMPLE[operation.name] ?? 0)(rehearsal.steps)) {
      t.diagnostic(`before step ${at} of ${rehearsal.steps.length}: ${rehearsal.steps[at - 1]}`);
      await walk.kill(rehearsal, at);
    }
  });
}
