import assert from "node:assert/strict";
import { test } from "node:test";
import { durationMs } from "./duration.js";

test("seconds, and numbers with a unit", () => {
  const cases: Array<[string | number, number]> = [
    [10, 10_000],
    [0.5, 500],
    ["10", 10_000],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["1.5 h", 5_400_000],
  ];
  for (const [value, expected] of cases) assert.equal(durationMs(value), expected, String(value));
});

test("anything else is refused by name", () => {
  for (const value of ["", "soon", "5d", "-1s", -1, Number.NaN]) assert.throws(() => durationMs(value), /sleepAfter is/);
});
