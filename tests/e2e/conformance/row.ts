import type { Side } from "./side.js";

/** One thing that both classes are asked to do. `check` throws when it is not so. */
export interface Row {
  /** Where the promise is made: a page of the documentation, or a kind of test of the public package. */
  readonly source: string;
  readonly promise: string;
  check(side: Side): Promise<void>;
}

/** A row for each promise of one source. */
export function rows(source: string, checks: Readonly<Record<string, (side: Side) => Promise<void>>>): Row[] {
  return Object.entries(checks).map(([promise, check]) => ({ source, promise, check }));
}
