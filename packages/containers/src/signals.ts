import type { Signal, SignalInteger } from "./types.js";

const NUMBER_OF: Readonly<Record<Signal, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** The number of a signal given by name or number. Throws a `TypeError` for a name that is none of the three. */
export function signalNumber(signal: Signal | SignalInteger): number {
  const number = typeof signal === "number" ? signal : NUMBER_OF[signal];
  if (number === undefined) throw new TypeError(`"${signal}" is no signal: use "SIGTERM", "SIGINT", "SIGKILL" or a number.`);
  return number;
}
