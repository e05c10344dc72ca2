const SECONDS_IN: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/**
 * Milliseconds in a `sleepAfter` value: a number of seconds, or a number with a unit (`"30s"`, `"5m"`, `"1h"`; no unit means seconds).
 * Throws a `TypeError` that names the value for anything else.
 */
export function durationMs(value: string | number): number {
  if (typeof value === "number") return checked(value * 1000, value);
  const match = /^\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*$/.exec(value);
  if (match === null) return checked(Number.NaN, value);
  return checked(Number(match[1]) * (SECONDS_IN[match[2] || "s"] ?? 1) * 1000, value);
}

function checked(milliseconds: number, value: string | number): number {
  if (Number.isFinite(milliseconds) && milliseconds >= 0) return milliseconds;
  throw new TypeError(
    `sleepAfter is ${JSON.stringify(value)}: give seconds as a number, or a number with a unit, as in "30s", "5m" or "1h".`,
  );
}
