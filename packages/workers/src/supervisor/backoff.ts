const FIRST_MS = 100;
const LONGEST_MS = 10_000;
/** A process that served this long was fine; its end begins a new count. */
const STEADY_MS = 10_000;

/** How long to wait before the restart after this many failures in a row: at once the first time, then 0.1 s, doubling up to 10 s. */
export function restartDelayMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 2));
}

/** The count after one more failure of a process that served for `upMs`. */
export function nextFailureCount(failures: number, upMs: number): number {
  return upMs >= STEADY_MS ? 1 : failures + 1;
}
