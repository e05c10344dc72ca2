import assert from "node:assert/strict";
import { test } from "node:test";
import { Demand } from "./demand.js";
import { keptOf, type PoolNeed, planPool, poolBudget } from "./pool-plan.js";

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

const need = (key: string, most: number, peak: number, changes: Partial<PoolNeed> = {}): PoolNeed => ({
  ...{ key, least: 2, most, room: most, peak, ahead: true },
  ...changes,
});

test("each kind has its least, bursts get theirs, nobody more than can be used", () => {
  const plan = (most: number) =>
    Object.fromEntries(planPool([need("quiet", 10, 0), need("busy", 100, 50), need("single", 1, 7)], { most, ahead: 0 }).all);
  assert.deepEqual(plan(1_000), { busy: 50, single: 1, quiet: 2 });
  assert.deepEqual(plan(10), { busy: 7, single: 1, quiet: 2 });
  assert.deepEqual(plan(2), { busy: 1, single: 1, quiet: 0 });
  assert.deepEqual(plan(0), { busy: 0, single: 0, quiet: 0 });
});

test("memory to spare lets more wait than anybody asked for, as many as can start", () => {
  const needs = [need("big", 200, 0), need("small", 5, 0), need("full", 20, 0, { room: 0 }), need("undeclared", 100, 7, { ahead: false })];
  const plan = (ahead: number) => planPool(needs, { most: 1_000, ahead });
  assert.deepEqual(Object.fromEntries(plan(64).all), { undeclared: 7, big: 50, small: 5, full: 2 });
  assert.deepEqual(Object.fromEntries(plan(64).asked), { undeclared: 7, big: 2, small: 2, full: 2 });
  // What is asked for counts, so that it is not in addition.
  assert.deepEqual(Object.fromEntries(plan(13).all), { undeclared: 7, big: 2, small: 2, full: 2 });
  assert.deepEqual([keptOf(0), keptOf(2), keptOf(50)], [0, 3, 57]);
});

test("little free memory, or a machine that waits for memory, means few sandboxes or none", () => {
  const state = { totalBytes: 8 * GIB, availableBytes: 4 * GIB, stalledPercent: 0 };
  assert.deepEqual(poolBudget(state), { most: 81, ahead: 16 });
  assert.deepEqual(poolBudget({ ...state, availableBytes: 1 * GIB }), { most: 5, ahead: 1 });
  assert.deepEqual(poolBudget({ ...state, availableBytes: 0.5 * GIB }), { most: 0, ahead: 0 });
  assert.deepEqual(poolBudget({ ...state, stalledPercent: 12 }), { most: 0, ahead: 0 });
  assert.equal(poolBudget({ ...state, totalBytes: 64 * GIB, availableBytes: 60 * GIB }).ahead, 64);
});
