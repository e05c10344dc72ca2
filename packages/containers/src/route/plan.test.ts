import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, type Instance, routeTerms } from "./plan.js";

const ready = (open: number): Instance => ({ open, phase: "ready" });
const starting = (open: number): Instance => ({ open, phase: "starting" });
const cold: Instance = { open: 0, phase: "cold" };
const closed: Instance = { open: 0, phase: "closed" };

test("one more request goes where the rules say", () => {
  const rows: Array<[what: string, instances: Instance[], expected: number | undefined]> = [
    ["nothing runs: the first", [], 0],
    ["the one that runs", [ready(0)], 0],
    ["the one that runs, as long as it has a place", [ready(1), cold], 0],
    ["a new one when all are full", [ready(2)], 1],
    ["a new one when all are full, the lowest", [ready(2), cold, ready(2)], 1],
    ["the least loaded", [ready(1), ready(0), ready(2)], 1],
    ["of equals the lowest, so that the others sleep", [ready(0), ready(0), ready(0)], 0],
    ["none of those that are not needed, however idle", [ready(1), ready(0), ready(0)], 0],
    ["one that is ready before one that is starting", [ready(1), starting(1), ready(1)], 0],
    ["one that is starting before a new one", [ready(2), starting(1)], 1],
    ["a running one of a high number before a cold one", [ready(2), cold, ready(0)], 2],
    ["no place", [ready(2), ready(2), ready(2)], undefined],
    ["none that the platform would not start", [ready(2), closed, cold], 2],
    ["no place where the platform would start none", [ready(2), closed, closed], undefined],
    ["no place while the last is starting", [ready(2), ready(2), starting(2)], undefined],
  ];
  for (const [what, instances, expected] of rows) {
    assert.equal(choose(instances, routeTerms({ max: 3, concurrency: 2 })), expected, what);
  }
});

test("those that are always awake share what little there is", () => {
  assert.equal(choose([ready(1), ready(0), ready(0)], routeTerms({ min: 2, max: 3, concurrency: 5 })), 1);
});

test("however requests come and go: no instance is over its limit, a place is found while there is one, and few requests use few instances", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % below;
  };
  const terms = routeTerms({ max: 6, concurrency: 3 });
  const loads = Array.from({ length: terms.max }, () => 0);
  for (let step = 0; step < 20_000; step++) {
    const total = loads.reduce((sum, load) => sum + load, 0);
    if (random(100) < (step % 2000 < 1000 ? 60 : 40)) {
      const chosen = choose(
        loads.map((open) => ({ open, phase: "ready" })),
        terms,
      );
      assert.equal(chosen === undefined, total === terms.max * terms.concurrency);
      if (chosen !== undefined) loads[chosen] = (loads[chosen] ?? 0) + 1;
    } else {
      const index = random(terms.max);
      loads[index] = Math.max(0, (loads[index] ?? 0) - 1);
    }
    assert.ok(Math.max(...loads) <= terms.concurrency);
  }
});

test("options that make no sense are refused by name", () => {
  for (const [options, name] of [
    [{ max: 0 }, "max"],
    [{ min: 3, max: 2 }, "min"],
    [{ concurrency: 0.5 }, "concurrency"],
    [{ queueMs: -1 }, "queueMs"],
  ] as const) {
    assert.throws(() => routeTerms(options), { name: "TypeError", message: new RegExp(name) });
  }
});
