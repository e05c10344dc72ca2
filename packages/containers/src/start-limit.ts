import { ContainerError } from "./container-error.js";

/** A program that fails at once so often in so long a time is not started again before the time is over. */
const MAX_FAILURES = 10;
const WINDOW_MS = 10_000;

/** How long to wait before the next start, in milliseconds, after failures at these times; 0 if there is nothing to wait for. Pure. */
export function waitAfter(failures: readonly number[], now: number): number {
  const oldest = failures.at(-MAX_FAILURES);
  return oldest === undefined ? 0 : Math.max(0, oldest + WINDOW_MS - now);
}

/** Keeps a program that ends at once, and clients that ask again at once, from making the machine start it all the time. */
export class StartLimit {
  #failures: number[] = [];

  /** The program has ended with a failure before it was ready. */
  failed(): void {
    this.#failures = [...this.#failures.slice(1 - MAX_FAILURES), Date.now()];
  }

  /** Throws a {@link ContainerError} `STARTS_LIMITED` if it is too early for another start. */
  check(): void {
    const wait = waitAfter(this.#failures, Date.now());
    if (wait === 0) return;
    const seconds = Math.ceil(wait / 1000);
    const what = `The container's program has failed at its start ${MAX_FAILURES} times within ${WINDOW_MS / 1000} seconds. It is started again in ${seconds} s at the earliest.`;
    throw new ContainerError("STARTS_LIMITED", what, { retryAfter: seconds });
  }
}
