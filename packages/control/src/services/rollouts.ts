import { randomUUID } from "node:crypto";
import { ContainersError } from "../api/errors.js";
import { type Application, type Release, runsTheSame, withRollout } from "../model/application.js";
import { mergeConfiguration } from "../model/application-input.js";
import { act, type CrashReaction, isActive, type Rollout, type RolloutAction, replaced, shareOf, start } from "../model/rollout.js";
import { crashReactionOf, planSteps, type RolloutInput } from "../model/rollout-input.js";
import type { Clock } from "../options.js";
import type { KeyedMutex } from "../state/keyed-mutex.js";
import type { Store } from "../state/store.js";
import { type Applications, applicationNotFound } from "./applications.js";
import type { ImageCheck } from "./image-check.js";
import type { RolloutRunner } from "./rollout-runner.js";
import type { Tenants } from "./tenants.js";

/** How many rollouts an application remembers. */
const ROLLOUTS_KEPT = 20;

export interface RolloutsParts {
  readonly store: Store;
  readonly applications: Applications;
  readonly tenants: Tenants;
  readonly images: ImageCheck;
  readonly runner: RolloutRunner;
  /** Where neither the rollout nor the configuration says. */
  readonly onCrash: CrashReaction;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
}

/** What a client does with rollouts: it starts them and steers them. The runner carries them out. */
export class Rollouts {
  readonly #parts: RolloutsParts;

  constructor(parts: RolloutsParts) {
    this.#parts = parts;
  }

  /** Newest first. Errors: `APPLICATION_NOT_FOUND`. */
  async list(applicationId: string): Promise<readonly Rollout[]> {
    return (await this.#parts.applications.get(applicationId)).rollouts;
  }

  /** Errors: `APPLICATION_NOT_FOUND`, `ROLLOUT_NOT_FOUND`. */
  async get(applicationId: string, id: string): Promise<Rollout> {
    return findRollout(await this.#parts.applications.get(applicationId), id);
  }

  /**
   * Starts to move the application to another configuration; a rollout that is under way is replaced. When it resolves, the image is ready
   * and new instances start on the target. Errors: {@link ContainersError}, and the engine's about the image.
   */
  async create(applicationId: string, input: RolloutInput): Promise<Rollout> {
    const steps = planSteps(input);
    const seen = await this.#parts.applications.get(applicationId);
    const base = seen.pending ?? seen.live.configuration;
    const configuration = input.target_configuration ? mergeConfiguration(base, input.target_configuration) : base;
    const image = await this.#parts.images.resolve(configuration);
    await this.#parts.images.prepare(image, configuration);
    const id = randomUUID();
    const { onCrash } = this.#parts;
    await this.#change(applicationId, (application, now) => {
      const before = application.rollouts.find(isActive);
      const current = before === undefined ? application.live : baseOf(before);
      const target = nextRelease(application.lastVersion, current, { configuration, image });
      const rollout = start(
        {
          id,
          description: input.description ?? "",
          kind: input.kind ?? "full_auto",
          status: "pending",
          createdAt: now,
          updatedAt: now,
          current,
          target,
          onCrash: input.on_crash ?? crashReactionOf(configuration) ?? onCrash,
          steps,
          step: 0,
          moving: false,
          toward: "current",
          // Objects that a rollout before has reached come first in this one too.
          share: before === undefined || (input.kind ?? "full_auto") === "full_manual" ? 0 : shareOf(before) % 100,
          updatedInstances: 0,
        },
        now,
      );
      const older = application.rollouts.map((each) => replaced(each, now));
      const { pending: _pending, ...rest } = application;
      return {
        ...rest,
        live: rollout[rollout.toward],
        lastVersion: Math.max(application.lastVersion, target.version),
        rollouts: [rollout, ...older].slice(0, ROLLOUTS_KEPT),
      };
    });
    return this.get(applicationId, id);
  }

  /** Errors: `APPLICATION_NOT_FOUND`, `ROLLOUT_NOT_FOUND`, `ROLLOUT_NOT_ACTIVE`. */
  async act(applicationId: string, id: string, action: RolloutAction): Promise<Rollout> {
    const changed = await this.#change(applicationId, (application, now) => {
      const rollout = act(findRollout(application, id), action, now);
      return withRollout(application, rollout);
    });
    return findRollout(changed, id);
  }

  async #change(id: string, change: (application: Application, now: string) => Application): Promise<Application> {
    const { script } = await this.#parts.applications.get(id);
    const changed = await this.#parts.locks.run(script, async () => {
      const now = new Date(this.#parts.clock()).toISOString();
      const result = await this.#parts.store.applications.update(id, (application) => ({ ...change(application, now), updatedAt: now }));
      if (result === undefined) throw applicationNotFound(id);
      await this.#parts.tenants.sync(script);
      return result;
    });
    this.#parts.runner.kick(id);
    return changed;
  }
}

/** What the objects that an unfinished rollout has not reached run. */
function baseOf(rollout: Rollout): Release {
  return shareOf(rollout) >= 100 ? rollout.target : rollout.current;
}

/** Instances that would run the same need not move, so then the version stays. */
function nextRelease(lastVersion: number, current: Release, to: Pick<Release, "configuration" | "image">): Release {
  return { ...to, version: runsTheSame(current, to) ? current.version : lastVersion + 1 };
}

function findRollout(application: Application, id: string): Rollout {
  const rollout = application.rollouts.find((each) => each.id === id);
  if (rollout === undefined)
    throw new ContainersError("ROLLOUT_NOT_FOUND", { id: `application "${application.name}" has no rollout "${id}".` });
  return rollout;
}
