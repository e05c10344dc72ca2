import { LaterWrites } from "./later-writes.js";
import type { LastStop, State } from "./types.js";

const KEY = "longshore:state";

/** What is written down of a {@link State}. */
type Known = Pick<State, "lastChange" | "status"> & { exitCode?: number; lastStop?: LastStop };

/**
 * What is known of the container, kept in the object's storage so that an object that was evicted, or whose process was killed, still learns
 * that its container has stopped meanwhile. Writes are not waited for: nothing that a client sees depends on them. That it runs is written a little
 * later (later-writes.ts), that it has ended at once.
 */
export class StateStore {
  #state: Known | undefined;

  constructor(private readonly ctx: DurableObjectState) {}

  /** The last known state; a container that has never run is `stopped`. */
  get(): Known {
    this.#state ??= this.ctx.storage.kv.get<Known>(KEY) ?? { status: "stopped", lastChange: Date.now() };
    return this.#state;
  }

  set(status: "running" | "healthy" | "stopping"): void {
    const { lastStop } = this.get();
    this.#state = { status, lastChange: Date.now(), ...(lastStop && { lastStop }) };
    if (status === "stopping") this.#write();
    else LaterWrites.of(this.ctx).put(KEY, () => this.#write());
  }

  /** The process has ended. A code is only shown of one that failed, as the published class does it after `stop()`; `lastStop` has it always. */
  setStopped(lastStop: LastStop): void {
    const { exitCode } = lastStop;
    const failed = exitCode !== undefined && exitCode !== 0;
    const status = failed ? { status: "stopped_with_code" as const, exitCode } : { status: "stopped" as const };
    this.#state = { ...status, lastChange: Date.now(), lastStop };
    this.#write();
  }

  /** More has become known of how it stopped. */
  explain(lastStop: LastStop): void {
    this.#state = { ...this.get(), lastStop };
    this.#write();
  }

  #write(): void {
    LaterWrites.of(this.ctx).drop(KEY);
    this.ctx.waitUntil(this.ctx.storage.put(KEY, this.#state, { allowUnconfirmed: true }));
  }
}
