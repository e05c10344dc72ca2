import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine, TrafficGate } from "@longshore/contract";
import type { RolloutMove } from "../model/rollout-plan.js";
import type { Log } from "../options.js";
import { STOP_GRACE_MS } from "./applications.js";
import type { Waker } from "./waker.js";

/** How many instances are replaced together: their successors start side by side, and share the machine's processors. */
const AT_ONCE = availableParallelism();
/** How long traffic is held at most while instances end: long enough for most to, short enough that no client gives up. */
const HOLD_MS = 5_000;
/** Instances that take longer to end are replaced all together: a hold for each few would be worse than one for all. */
const QUICK_MS = 1_000;
/** Between two holds: successors start, and who was held is served. */
const PAUSE_MS = 300;
/** How long to wait after a failure of the engine. */
const RETRY_MS = 5_000;
/** For streams that have had their time: only requests that wait for an answer are waited for. */
const DRAINED_MS = 1;

export interface ReplacementsParts {
  readonly engine: Pick<Engine, "stopInstance">;
  readonly traffic: TrafficGate;
  readonly log: Log;
  /** How long streams and WebSockets get before the first instances of a step are told to stop. */
  readonly drainMs: number;
}

/** The instances of one application that are being replaced: a few at a time, while the script's requests wait. */
export class Replacements {
  readonly #parts: ReplacementsParts;
  readonly #script: string;
  readonly #waker: Waker;
  readonly #stopping = new Set<string>();
  #holding = false;
  #step = "";
  #drainedAt = 0;
  #areSlow = false;

  /** `waker` is woken whenever there may be more to do. */
  constructor(parts: ReplacementsParts, script: string, waker: Waker) {
    this.#parts = parts;
    this.#script = script;
    this.#waker = waker;
  }

  /** Those that were told to stop and have not ended, as far as this process knows. */
  get stopping(): ReadonlySet<string> {
    return this.#stopping;
  }

  /** Begins with what can be begun now; `step` tells apart what streams get their time for anew. */
  go(move: RolloutMove, step: string): void {
    // Left over from before a restart of this process: wait for them again, which holds nobody up.
    const resumed = move.ending.filter((id) => !this.#stopping.has(id));
    if (resumed.length > 0) void this.#ended(resumed, this.#stop(resumed));
    if (this.#holding) return;
    if (step !== this.#step) {
      this.#step = step;
      this.#drainedAt = performance.now() + this.#parts.drainMs;
      this.#areSlow = false;
    }
    const fresh = move.stop.filter((id) => !this.#stopping.has(id));
    if (fresh.length > 0) void this.#replace(this.#areSlow ? fresh : fresh.slice(0, AT_ONCE));
  }

  /** Stops instances while the script's requests wait, so that none meets a container that is about to go. Never rejects. */
  async #replace(ids: readonly string[]): Promise<void> {
    this.#holding = true;
    const { traffic, drainMs, log } = this.#parts;
    try {
      const left = drainMs === 0 ? 0 : Math.max(DRAINED_MS, this.#drainedAt - performance.now());
      await using _hold = await traffic.hold([this.#script], left);
      const ended = this.#ended(ids, this.#stop(ids));
      this.#areSlow = await Promise.race([ended.then(() => false), sleep(QUICK_MS, true, { ref: false })]);
      if (this.#areSlow) await Promise.race([ended, sleep(HOLD_MS - QUICK_MS, undefined, { ref: false })]);
    } catch (error) {
      log.warn("traffic could not be held during a rollout; trying again", { script: this.#script, error });
      await sleep(RETRY_MS, undefined, { ref: false });
    }
    await sleep(PAUSE_MS, undefined, { ref: false });
    this.#holding = false;
    this.#waker.wake();
  }

  async #ended(ids: readonly string[], ended: Promise<void>): Promise<void> {
    for (const id of ids) this.#stopping.add(id);
    await ended;
    for (const id of ids) this.#stopping.delete(id);
    this.#waker.wake();
  }

  /** Never rejects: what fails is still running at the next look, and is tried again then. */
  async #stop(ids: readonly string[]): Promise<void> {
    const results = await Promise.allSettled(ids.map((id) => this.#parts.engine.stopInstance(id, "rollout", STOP_GRACE_MS)));
    const failed = results.filter((each) => each.status === "rejected");
    if (failed.length === 0) return;
    this.#parts.log.warn("instances could not be stopped for a rollout; trying again", { count: failed.length, error: failed[0]?.reason });
    await sleep(RETRY_MS, undefined, { ref: false });
  }
}
