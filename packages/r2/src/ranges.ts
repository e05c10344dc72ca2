import { R2Error } from "./errors.js";

/** A part of an object, in bytes. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

export interface WantedRange {
  readonly offset?: number;
  readonly length?: number;
  readonly suffix?: number;
}

/** The part that is meant of an object with `size` bytes. Errors: `InvalidRange` when it has no byte of it. */
export function resolveRange({ offset, length, suffix }: WantedRange, size: number): Range {
  if (suffix !== undefined) {
    if (suffix <= 0 || size === 0) throw new R2Error("InvalidRange");
    const wanted = Math.min(suffix, size);
    return { offset: size - wanted, length: wanted };
  }
  const from = offset ?? 0;
  const wanted = Math.min(length ?? size - from, size - from);
  // All of an object that is empty is nothing.
  if (from === 0 && size === 0 && length !== 0) return { offset: 0, length: 0 };
  if (from >= size || wanted <= 0) throw new R2Error("InvalidRange");
  return { offset: from, length: wanted };
}

/** What a `Range` header asks for; `undefined` for what HTTP tells to ignore: other units, more than one range, what cannot be read. */
export function parseRangeHeader(header: string): WantedRange | undefined {
  const [, from = "", to = ""] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header) ?? [];
  if (from === "") return to === "" ? undefined : { suffix: Number(to) };
  if (to === "") return { offset: Number(from) };
  return Number(to) < Number(from) ? undefined : { offset: Number(from), length: Number(to) - Number(from) + 1 };
}
