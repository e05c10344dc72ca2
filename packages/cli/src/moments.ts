import { LongshoreError } from "@longshore/contract";

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** As long as a moment stays a date. */
const AMOUNT = /^(\d{1,6})([smhd])$/;
const DATE = /^\d{4}-\d\d-\d\d/;

/** A moment in ms since 1970: so much before or after `now`, or a date with or without a time of day. Errors: `INVALID_INPUT`. */
export function momentOf(value: string, direction: "ago" | "ahead", now: number): number {
  const [, amount, unit = ""] = AMOUNT.exec(value) ?? [];
  const distance = Number(amount) * (UNIT_MS[unit] ?? 0);
  // What else is read as a date is not what anybody means: "5" is the first of May 2001.
  const at = amount !== undefined ? now + (direction === "ago" ? -distance : distance) : DATE.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new LongshoreError("INVALID_INPUT", `"${value}" is not a time.`, { hint: "Write 30s, 15m, 2h, 1d, or 2026-01-31T12:00:00Z." });
}
