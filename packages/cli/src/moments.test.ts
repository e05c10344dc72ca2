import assert from "node:assert/strict";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { momentOf } from "./moments.js";

const NOW = Date.parse("2026-01-31T12:00:00Z");

test("a moment is so much before or after now, or a date", () => {
  assert.equal(momentOf("30s", "ago", NOW), NOW - 30_000);
  assert.equal(momentOf("15m", "ago", NOW), NOW - 900_000);
  assert.equal(momentOf("2h", "ahead", NOW), NOW + 7_200_000);
  assert.equal(momentOf("30d", "ahead", NOW), Date.parse("2026-03-02T12:00:00Z"));
  assert.equal(momentOf("2026-01-31T13:00:00+01:00", "ago", 0), NOW);
  assert.equal(momentOf("2026-01-31", "ahead", 0), Date.parse("2026-01-31T00:00:00Z"));
  for (const wrong of ["", "5", "5 minutes", "1d2h", "-1d", "1w", "2026", "2026-13-01", "9999999d", "tomorrow"]) {
    assert.throws(
      () => momentOf(wrong, "ago", NOW),
      (error) => error instanceof LongshoreError && error.code === "INVALID_INPUT",
      wrong,
    );
  }
});
