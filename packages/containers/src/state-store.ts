import type { LaterWrites } from "./later-writes.js";
import type { State } from "./types.js";

const KEY = "longshore:state";

/**
 * What is known of the container, kept in the object's storage so that an object that was evicted, or whose process was killed, still learns
 * that its container has stopped meanwhile. Writes are not waited for: nothing that a client sees depends on them. That it runs is written a little
 * later (later-writes.ts), that it has ended at once.
 */
export class StateStore {
  #state: State | undefined;

  constructor(
    private readonly ctx: DurableObjectState,
    private readonly later: LaterWrites,
  ) {}

  /** The last known state; a container that has never run is `stopped`. */
  get(): State {
    this.#state ??= this.ctx.storage.kv.get<State>(KEY) ?? { status: "stopped", lastChange: Date.now() };
    return this.#state;
  }

  set(status: "running" | "healthy" | "stopping" | "stopped"): void {
    this.#state = { status, lastChange: Date.now() };
    if (status === "running" || status === "healthy") this.later.put(KEY, () => this.#write());
    else this.#write();
  }

  setExited(exitCode: number): void {
    this.#state = { status: "stopped_with_code", exitCode, lastChange: Date.now() };
    this.#write();
  }

  #write(): void {
    this.later.drop(KEY);
    this.ctx.waitUntil(this.ctx.storage.put(KEY, this.#state, { allowUnconfirmed: true }));
  }
}
