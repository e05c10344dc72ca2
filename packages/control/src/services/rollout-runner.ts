import type { Engine, InstanceInfo, KeyedMutex } from "@longshore/contract";
import { type Application, withRollout } from "../model/application.js";
import { isActive, type Rollout, sameMovement } from "../model/rollout.js";
import { firstFailure, nextOf } from "../model/rollout-look.js";
import { planMove } from "../model/rollout-plan.js";
import type { Clock } from "../options.js";
import type { Store } from "../state/store.js";
import { Replacements, type ReplacementsParts } from "./replacements.js";
import type { Tenants } from "./tenants.js";
import { Waker } from "./waker.js";

/** Instances also end by themselves, and nothing tells: how often to look while waiting. */
const LOOK_MS = 5_000;
const NONE: ReadonlySet<string> = new Set();
/** How long to wait after a failure of the engine. */
const RETRY_MS = 5_000;

export interface RolloutRunnerParts extends ReplacementsParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly tenants: Tenants;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
  /** How long the new instances of a step have to prove themselves. */
  readonly watchMs: number;
}

interface Loop {
  readonly waker: Waker;
  /** Something changed since the loop last looked. */
  dirty: boolean;
  /** The engine may not know yet which release new instances are to have. */
  unsynced: boolean;
  /** Absent until there is something to replace. */
  replacements?: Replacements;
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
    while (!this.#stop.signal.aborted) {
      loop.dirty = false;
      try {
        const wait = await this.#round(applicationId, loop);
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
  async #round(applicationId: string, loop: Loop): Promise<number | undefined> {
    const { store, engine, clock, log } = this.#parts;
    const application = (await store.applications.get(applicationId))?.value;
    const rollout = application?.rollouts.find(isActive);
    if (application === undefined || rollout === undefined || !rollout.moving) return undefined;
    const { script, name, graceSeconds } = application;
    const instances = (await engine.instances(script)).filter((each) => each.applicationId === applicationId);
    const failure = firstFailure(rollout, [...(await engine.failures(script)), ...instances], applicationId);
    const move = planMove(rollout, asSeen(instances, loop.replacements?.stopping ?? NONE), clock(), graceSeconds * 1_000);
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
    loop.replacements ??= new Replacements(this.#parts, script, loop.waker);
    loop.replacements.go(move, `${rollout.id} ${rollout.toward} ${rollout.step}`);
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
}

/** Instances that were told to stop count as stopping, also while the engine has not got that far. */
function asSeen(instances: readonly InstanceInfo[], stopping: ReadonlySet<string>): InstanceInfo[] {
  return instances.map((each) => (stopping.has(each.id) && each.status !== "exited" ? { ...each, status: "stopping" } : each));
}
