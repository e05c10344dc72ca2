import assert from "node:assert/strict";
import { test } from "node:test";
import { Demand } from "./demand.js";
import { planPool, poolBudget } from "./pool-plan.js";

const GIB = 1024 ** 3;

test("the largest burst of the last ten minutes counts, and is forgotten", () => {
  const demand = new Demand();
  assert.equal(demand.peak(0), 0);
  for (let time = 0; time < 100_000; time += 10_000) demand.note(time);
  assert.equal(demand.peak(100_000), 1);
  for (let n = 0; n < 50; n++) demand.note(100_000 + n * 20);
  assert.equal(demand.peak(101_000), 50);
  assert.equal(demand.peak(690_000), 50);
  assert.equal(demand.peak(702_000), 0);
  for (let n = 0; n < 5_000; n++) demand.note(800_000 + n);
  assert.equal(demand.peak(805_000), 1_000);
});

test("each kind has its least, bursts get theirs, nobody more than can be used", () => {
  const plan = (budget: number) =>
    planPool(
      [
        { key: "quiet", least: 2, most: 10, peak: 0 },
        { key: "busy", least: 2, most: 100, peak: 50 },
        { key: "single", least: 2, most: 1, peak: 7 },
      ],
      budget,
    );
  assert.deepEqual(Object.fromEntries(plan(1_000)), { busy: 50, single: 1, quiet: 2 });
  assert.deepEqual(Object.fromEntries(plan(10)), { busy: 7, single: 1, quiet: 2 });
  assert.deepEqual(Object.fromEntries(plan(2)), { busy: 1, single: 1, quiet: 0 });
  assert.deepEqual(Object.fromEntries(plan(0)), { busy: 0, single: 0, quiet: 0 });
});

test("little free memory, or a machine that waits for memory, means few sandboxes or none", () => {
  const state = { totalBytes: 8 * GIB, availableBytes: 4 * GIB, stalledPercent: 0 };
  assert.equal(poolBudget(state), 81);
  assert.equal(poolBudget({ ...state, availableBytes: 1 * GIB }), 5);
  assert.equal(poolBudget({ ...state, availableBytes: 0.5 * GIB }), 0);
  assert.equal(poolBudget({ ...state, stalledPercent: 12 }), 0);
});
