import { alarm } from "../sys/alarm.js";
import type { Instance } from "./instance.js";

/** By this age of its container, a Durable Object has written down what wakes it again: the Container class does so after a second. Milliseconds. */
const WRITTEN_AFTER_MS = 3_000;
/** An engine that ended together with a Worker is back after this time. */
const RESTART_MS = 60_000;
/** How long a container is kept for a Durable Object that may come back. */
export const STRAY_MS = 10 * 60_000;

/**
 * Ends containers that nobody knows of: those whose Worker was killed so soon after the start that it had not written down that it has one. Its next
 * request would find the container; without one, nothing else would ever stop it.
 */
export class Strays {
  readonly #keepMs: number;
  readonly #stop: (instance: Instance) => void;

  /** Keeps a container for `keepMs` after its Worker was lost, or was last heard of. */
  constructor(keepMs: number, stop: (instance: Instance) => void) {
    this.#keepMs = keepMs;
    this.#stop = stop;
  }

  /** Nobody waits for the end of an instance any more. */
  lost(instance: Instance): void {
    if (ageMs(instance) < WRITTEN_AFTER_MS) this.#checkIn(this.#keepMs, instance);
  }

  /** An instance was taken over from an earlier engine. */
  takenBack(instance: Instance): void {
    if (ageMs(instance) < RESTART_MS) this.#checkIn(this.#keepMs, instance);
  }

  #checkIn(ms: number, instance: Instance): void {
    if (!instance.live) return;
    const check = alarm(Date.now() + ms, () => {
      if (!instance.live || instance.isWatched) return;
      const left = this.#keepMs - instance.quietMs;
      if (left > 0) this.#checkIn(left, instance);
      else this.#stop(instance);
    });
    void instance.exited.then(() => check[Symbol.dispose]());
  }
}

/** Milliseconds since the start of an instance; infinite if it was not started. */
function ageMs({ record: { startedAt } }: Instance): number {
  return startedAt === undefined ? Number.POSITIVE_INFINITY : Date.now() - Date.parse(startedAt);
}
