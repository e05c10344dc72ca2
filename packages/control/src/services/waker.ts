import { setTimeout as sleep } from "node:timers/promises";

/** A wait that can be cut short. A wake-up while nobody waits ends the next wait at once. */
export class Waker {
  readonly #stop: AbortSignal;
  #woken = new AbortController();

  /** `stop` ends every wait for good. */
  constructor(stop: AbortSignal) {
    this.#stop = stop;
  }

  wake(): void {
    this.#woken.abort();
  }

  /** Resolves after `ms`, or sooner when woken or stopped. */
  async wait(ms: number): Promise<void> {
    const signal = AbortSignal.any([this.#stop, this.#woken.signal]);
    try {
      await sleep(ms, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    this.#woken = new AbortController();
  }
}
