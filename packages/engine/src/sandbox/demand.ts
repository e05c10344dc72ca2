/** Starts within this time are one burst. Milliseconds. */
const BURST_MS = 5_000;
/** For so long a burst is expected to come again. */
const MEMORY_MS = 10 * 60_000;
/** More starts than this are not remembered one by one. */
const MOST = 1_000;

/** The starts of late for one kind of sandbox. */
export class Demand {
  readonly #starts: number[] = [];

  /** A container was started at `now` (milliseconds, of any clock that never goes back). */
  note(now: number): void {
    this.#starts.push(now);
    if (this.#starts.length > MOST) this.#starts.shift();
  }

  /** The most starts that came in one burst within the last ten minutes. */
  peak(now: number): number {
    const old = this.#starts.findIndex((start) => start > now - MEMORY_MS);
    this.#starts.splice(0, old < 0 ? this.#starts.length : old);
    let [peak, first] = [0, 0];
    for (const [last, start] of this.#starts.entries()) {
      while ((this.#starts[first] ?? start) < start - BURST_MS) first++;
      peak = Math.max(peak, last - first + 1);
    }
    return peak;
  }
}
