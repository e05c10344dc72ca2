import { setTimeout as sleep } from "node:timers/promises";
import type { Engine, InstanceInfo, KeyedMutex, TrafficGate } from "@longshore/contract";
import { type Application, withRollout } from "../model/application.js";
import { isActive, type Rollout, sameMovement } from "../model/rollout.js";
import { firstFailure, nextOf } from "../model/rollout-look.js";
import { planMove, type RolloutMove } from "../model/rollout-plan.js";
import type { Clock, Log } from "../options.js";
import type { Store } from "../state/store.js";
import { STOP_GRACE_MS } from "./applications.js";
import type { Tenants } from "./tenants.js";
import { Waker } from "./waker.js";

/** How long traffic is held at most while instances end: long enough for most to, short enough that no client gives up. */
const HOLD_MS = 5_000;
/**
 * The application's workerd hears of an end at the same time as we do, and nothing tells when it has understood. A request that it gets before
 * would be sent to the container that is gone.
 */
const NOTICE_MS = 50;
/** Instances also end by themselves, and nothing tells: how often to look while waiting. */
const LOOK_MS = 5_000;
/** How long to wait after a failure of the engine. */
const RETRY_MS = 5_000;

export interface RolloutRunnerParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly traffic: TrafficGate;
  readonly tenants: Tenants;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
  readonly log: Log;
  /** How long streams and WebSockets get before instances are told to stop. */
  readonly drainMs: number;
  /** How long the new instances of a step have to prove themselves. */
  readonly watchMs: number;
}

interface Loop {
  readonly waker: Waker;
  /** Something changed since the loop last looked. */
  dirty: boolean;
  /** The engine may not know yet which release new instances are to have. */
  unsynced: boolean;
  readonly done: Promise<void>;
}

/** Carries rollouts out: one loop for each application with a rollout that moves. All it knows is in the bucket and in the engine. */
export class RolloutRunner implements AsyncDisposable {
  readonly #parts: RolloutRunnerParts;
  readonly #stop = new AbortController();
  readonly #loops = new Map<string, Loop>();

  constructor(parts: RolloutRunnerParts) {
    this.#parts = parts;
  }

  /** Says that an application's rollout was started, changed, or is there to go on with. */
  kick(applicationId: string): void {
    if (this.#stop.signal.aborted) return;
    const running = this.#loops.get(applicationId);
    if (running !== undefined) {
      running.dirty = true;
      running.waker.wake();
      return;
    }
    const waker = new Waker(this.#stop.signal);
    const loop: Loop = { waker, dirty: true, unsynced: true, done: Promise.resolve().then(() => this.#loop(applicationId, loop)) };
    this.#loops.set(applicationId, loop);
  }

  /** Ends the loops; what they were waiting for goes on in the engine. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#loops.values()].map((each) => each.done));
  }

  async #loop(applicationId: string, loop: Loop): Promise<void> {
    const stopping = new Set<string>();
    while (!this.#stop.signal.aborted) {
      loop.dirty = false;
      try {
        const wait = await this.#round(applicationId, stopping, loop);
        if (wait !== undefined) await loop.waker.wait(wait);
        else if (!loop.dirty) break;
      } catch (error) {
        this.#parts.log.warn("a rollout cannot go on; trying again", { application: applicationId, error });
        await loop.waker.wait(RETRY_MS);
      }
    }
    this.#loops.delete(applicationId);
  }

  /** One look and what follows from it. Resolves to how long to wait before the next, or to nothing when there is nothing to do. */
  async #round(applicationId: string, stopping: Set<string>, loop: Loop): Promise<number | undefined> {
    const { store, engine, clock, log } = this.#parts;
    const application = (await store.applications.get(applicationId))?.value;
    const rollout = application?.rollouts.find(isActive);
    if (application === undefined || rollout === undefined || !rollout.moving) return undefined;
    const { script, name, graceSeconds } = application;
    const instances = (await engine.instances(script)).filter((each) => each.applicationId === applicationId);
    const failure = firstFailure(rollout, [...(await engine.failures(script)), ...instances], applicationId);
    const move = planMove(rollout, asSeen(instances, stopping), clock(), graceSeconds * 1_000);
    const { next, waitMs } = nextOf(rollout, move, failure, clock(), this.#parts.watchMs);
    if (next !== undefined) await this.#record(application, rollout, next, loop);
    if (loop.unsynced) await this.#sync(script, loop);
    if (next !== undefined && !sameMovement(next, rollout)) {
      const facts = { script, application: name, rollout: rollout.id, step: rollout.step, toward: rollout.toward };
      if (failure !== undefined)
        log.warn("an instance failed during a rollout", { ...facts, reason: failure.reason, reaction: rollout.onCrash ?? "stop" });
      else if (move.arrived) log.info("a step of a rollout is done", facts);
      return 0;
    }
    this.#replace(script, move, stopping, loop.waker);
    return Math.min(waitMs ?? move.waitMs ?? LOOK_MS, LOOK_MS);
  }

  async #record(application: Application, seen: Rollout, next: Rollout, loop: Loop): Promise<void> {
    // Set before: should this process be killed in between, the next one tells the engine all it needs.
    if (!sameMovement(seen, next)) loop.unsynced = true;
    await this.#parts.locks.run(application.script, async () => {
      await this.#parts.store.applications.update(application.id, (latest) => {
        const current = latest.rollouts.find((each) => each.id === seen.id);
        // A client may have steered it elsewhere since: then this look counts no more.
        return current === undefined || !sameMovement(current, seen) ? latest : withRollout(latest, next);
      });
    });
  }

  async #sync(script: string, loop: Loop): Promise<void> {
    await this.#parts.locks.run(script, () => this.#parts.tenants.sync(script));
    loop.unsynced = false;
  }

  #replace(script: string, move: RolloutMove, stopping: Set<string>, waker: Waker): void {
    const fresh = move.stop.filter((id) => !stopping.has(id));
    // Left over from before a restart of this process: wait for them again, which holds nobody up.
    const resumed = move.ending.filter((id) => !stopping.has(id));
    for (const id of [...fresh, ...resumed]) stopping.add(id);
    const finish = (ids: readonly string[]) => (): void => {
      for (const id of ids) stopping.delete(id);
      waker.wake();
    };
    if (fresh.length > 0) void this.#stopHeld(script, fresh).then(finish(fresh));
    if (resumed.length > 0) void this.#stopAll(resumed).then(finish(resumed));
  }

  /** Stops instances while the script's requests wait, so that none meets a container that is about to go. Never rejects. */
  async #stopHeld(script: string, ids: readonly string[]): Promise<void> {
    const { traffic, log } = this.#parts;
    let ended: Promise<void> | undefined;
    try {
      await using _hold = await traffic.hold([script], this.#parts.drainMs);
      ended = this.#stopAll(ids);
      await Promise.race([ended, sleep(HOLD_MS, undefined, { ref: false })]);
      await sleep(NOTICE_MS, undefined, { ref: false });
    } catch (error) {
      log.warn("traffic could not be held during a rollout; trying again", { script, error });
      await sleep(RETRY_MS, undefined, { ref: false });
    }
    await ended;
  }

  /** Never rejects: what fails is still running at the next look, and is tried again then. */
  async #stopAll(ids: readonly string[]): Promise<void> {
    const results = await Promise.allSettled(ids.map((id) => this.#parts.engine.stopInstance(id, "rollout", STOP_GRACE_MS)));
    const failed = results.filter((each) => each.status === "rejected");
    if (failed.length === 0) return;
    this.#parts.log.warn("instances could not be stopped for a rollout; trying again", { count: failed.length, error: failed[0]?.reason });
    await sleep(RETRY_MS, undefined, { ref: false });
  }
}

/** Instances that were told to stop count as stopping, also while the engine has not got that far. */
function asSeen(instances: readonly InstanceInfo[], stopping: ReadonlySet<string>): InstanceInfo[] {
  return instances.map((each) => (stopping.has(each.id) && each.status !== "exited" ? { ...each, status: "stopping" } : each));
}
