import { setTimeout as sleep } from "node:timers/promises";
import type { Engine, InstanceInfo, TrafficGate } from "@longshore/contract";
import { type Application, withRollout } from "../model/application.js";
import { arrived, isActive, type Rollout, sameMovement } from "../model/rollout.js";
import { planMove, type RolloutMove } from "../model/rollout-plan.js";
import type { Clock, Log } from "../options.js";
import type { KeyedMutex } from "../state/keyed-mutex.js";
import type { Store } from "../state/store.js";
import { STOP_GRACE_MS } from "./applications.js";
import type { Tenants } from "./tenants.js";
import { Waker } from "./waker.js";

/** How long the traffic of a script is held for its requests under way to end, before instances are told to stop. */
const DRAIN_MS = 5_000;
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
}

interface Loop {
  readonly waker: Waker;
  /** Something changed since the loop last looked. */
  dirty: boolean;
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
    const loop: Loop = { waker, dirty: true, done: Promise.resolve().then(() => this.#loop(applicationId, loop)) };
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
        const wait = await this.#round(applicationId, stopping, loop.waker);
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
  async #round(applicationId: string, stopping: Set<string>, waker: Waker): Promise<number | undefined> {
    const { store, engine, clock, log } = this.#parts;
    const application = (await store.applications.get(applicationId))?.value;
    const rollout = application?.rollouts.find(isActive);
    if (application === undefined || rollout === undefined || !rollout.moving) return undefined;
    const instances = (await engine.instances(application.script)).filter((each) => each.applicationId === applicationId);
    const move = planMove(rollout, asSeen(instances, stopping), clock(), application.graceSeconds * 1_000);
    await this.#record(application, rollout, move);
    if (move.arrived) {
      const { script, name } = application;
      log.info("a step of a rollout is done", {
        script,
        application: name,
        rollout: rollout.id,
        step: rollout.step,
        toward: rollout.toward,
      });
      return 0;
    }
    this.#replace(application.script, move, stopping, waker);
    return Math.min(move.waitMs ?? LOOK_MS, LOOK_MS);
  }

  async #record(application: Application, rollout: Rollout, move: RolloutMove): Promise<void> {
    const { totalInstances, updatedInstances } = move;
    if (!move.arrived && rollout.totalInstances === totalInstances && rollout.updatedInstances === updatedInstances) return;
    await this.#parts.locks.run(application.script, async () => {
      await this.#parts.store.applications.update(application.id, (latest) => {
        const current = latest.rollouts.find((each) => each.id === rollout.id);
        // A client may have steered it elsewhere since: then this look counts no more.
        if (current === undefined || !sameMovement(current, rollout)) return latest;
        const seen = { ...current, totalInstances, updatedInstances };
        return withRollout(latest, move.arrived ? arrived(seen, new Date(this.#parts.clock()).toISOString()) : seen);
      });
    });
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
      await using _hold = await traffic.hold([script], DRAIN_MS);
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
