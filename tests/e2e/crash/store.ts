/** Something that acknowledges writes. `write` throws when one was not acknowledged; `read` resolves to the write that is there. */
export interface Store {
  readonly name: string;
  /** How many places of it are written. Infinity: each write has one of its own. */
  readonly places: number;
  /** Between two writes: where each costs others much. */
  readonly pauseMs?: number;
  write(place: string, n: number): Promise<void>;
  read(place: string): Promise<number | undefined>;
}

export const REQUEST_DEADLINE_MS = 20_000;
/** Where KV's values go to another table, and where a blob has several chunks. */
export const LARGE = 1_500_000;
export const LARGE_ROW = 100_000;
