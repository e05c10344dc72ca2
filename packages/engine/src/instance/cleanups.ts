import type { Log } from "../engine-parts.js";

/** Work after the end of containers, which nobody waits for. What fails of it is logged: the sweep at the engine's next start tries again. */
export class Cleanups {
  readonly #log: Log;
  readonly #running = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  add(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => this.#log("cleaning up failed", { error: String(error) }));
    this.#running.add(tracked);
    void tracked.then(() => this.#running.delete(tracked));
  }

  /** Resolves when nothing is under way. */
  async done(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
