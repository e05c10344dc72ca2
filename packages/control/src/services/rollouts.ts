import { randomUUID } from "node:crypto";
import type { Engine, KeyedMutex } from "@longshore/contract";
import { ContainersError } from "../api/errors.js";
import { type Application, withRollout } from "../model/application.js";
import { mergeConfiguration } from "../model/application-input.js";
import { act, type CrashReaction, type Rollout, type RolloutAction } from "../model/rollout.js";
import { beginRollout } from "../model/rollout-begin.js";
import { crashReactionOf, planSteps, type RolloutInput } from "../model/rollout-input.js";
import type { Clock } from "../options.js";
import type { Store } from "../state/store.js";
import { type Applications, applicationNotFound } from "./applications.js";
import type { ImageCheck } from "./image-check.js";
import type { RolloutRunner } from "./rollout-runner.js";
import type { Tenants } from "./tenants.js";

export interface RolloutsParts {
  readonly store: Store;
  readonly engine: Pick<Engine, "instances">;
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
   * and new instances that the first step reaches start on the target: all of them, where an automatic rollout's reaches every instance that runs.
   * Errors: {@link ContainersError}, and the engine's about the image.
   */
  async create(applicationId: string, input: RolloutInput): Promise<Rollout> {
    const steps = planSteps(input);
    const seen = await this.#parts.applications.get(applicationId);
    if (seen.isVersioned) {
      throw new ContainersError("VALIDATE_INPUT", {
        scheduling_policy: "the images of this application change with the Worker's version.",
      });
    }
    const base = seen.pending ?? seen.live.configuration;
    const configuration = input.target_configuration ? mergeConfiguration(base, input.target_configuration) : base;
    const image = await this.#parts.images.resolve(configuration);
    await this.#parts.images.prepare(image, configuration);
    const id = randomUUID();
    const { onCrash } = this.#parts;
    const plan = {
      id,
      description: input.description ?? "",
      kind: input.kind ?? "full_auto",
      to: { configuration, image },
      steps,
      onCrash: input.on_crash ?? crashReactionOf(configuration) ?? onCrash,
    } as const;
    const instances = (await this.#parts.engine.instances(seen.script)).filter((each) => each.applicationId === applicationId);
    await this.#change(applicationId, (application, now) => beginRollout(application, plan, instances, now));
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

function findRollout(application: Application, id: string): Rollout {
  const rollout = application.rollouts.find((each) => each.id === id);
  if (rollout === undefined)
    throw new ContainersError("ROLLOUT_NOT_FOUND", { id: `application "${application.name}" has no rollout "${id}".` });
  return rollout;
}
