import type { State } from "./types.js";

const KEY = "longshore:state";

/**
 * What is known of the container, kept in the object's storage so that an object that was evicted, or whose process was killed, still learns
 * that its container has stopped meanwhile. Writes are not waited for: nothing that a client sees depends on them.
 */
export class StateStore {
  #state: State | undefined;

  constructor(private readonly ctx: DurableObjectState) {}

  /** The last known state; a container that has never run is `stopped`. */
  get(): State {
    this.#state ??= this.ctx.storage.kv.get<State>(KEY) ?? { status: "stopped", lastChange: Date.now() };
    return this.#state;
  }

  set(status: "running" | "healthy" | "stopping" | "stopped"): void {
    this.#put({ status, lastChange: Date.now() });
  }

  setExited(exitCode: number): void {
    this.#put({ status: "stopped_with_code", exitCode, lastChange: Date.now() });
  }

  #put(state: State): void {
    this.#state = state;
    this.ctx.waitUntil(this.ctx.storage.put(KEY, state, { allowUnconfirmed: true }));
  }
}
