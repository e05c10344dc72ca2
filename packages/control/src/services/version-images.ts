import { randomUUID } from "node:crypto";
import { LongshoreError } from "@longshore/contract";
import { type Application, type Release, remembering, runsTheSame } from "../model/application.js";
import type { CrashReaction } from "../model/rollout.js";
import { beginRollout } from "../model/rollout-begin.js";
import { crashReactionOf, planSteps } from "../model/rollout-input.js";
import type { StoredVersion } from "../model/script-head.js";
import type { Clock } from "../options.js";
import type { Store } from "../state/store.js";
import type { ImageCheck } from "./image-check.js";
import type { RolloutRunner } from "./rollout-runner.js";

export interface VersionImagesParts {
  readonly store: Store;
  readonly images: ImageCheck;
  readonly runner: RolloutRunner;
  readonly onCrash: CrashReaction;
  readonly clock: Clock;
}

/** An application that ran something else with a version than it runs now. */
export interface ImageChange {
  readonly application: string;
  readonly to: Pick<Release, "configuration" | "image">;
}

/** The containers' side of a version of a Worker: what each application ran with it. Callers hold the script's lock. */
export class VersionImages {
  readonly #parts: VersionImagesParts;

  constructor(parts: VersionImagesParts) {
    this.#parts = parts;
  }

  /** Writes down what the script's applications run with the version that is about to be left. */
  async remember(script: string, versionId: string): Promise<void> {
    for (const { id } of await this.#of(script)) await this.#parts.store.applications.update(id, (each) => remembering(each, versionId));
  }

  /**
   * What has to change so that containers run what they ran with this version; the images are ready then. Nothing for a version that never ran.
   * Errors: `CONFLICT` naming an image that is not there any more.
   */
  async changesFor(script: string, versionId: string): Promise<ImageChange[]> {
    const changes: ImageChange[] = [];
    for (const { id, name, live, ranWith } of await this.#of(script)) {
      const to = ranWith?.[versionId];
      if (to === undefined || runsTheSame(live, to)) continue;
      try {
        await this.#parts.images.reprepare(to.image, to.configuration);
      } catch (cause) {
        if (!(cause instanceof LongshoreError) || cause.code === "UNAVAILABLE" || cause.code === "NO_SPACE") throw cause;
        throw new LongshoreError(
          "CONFLICT",
          `Version ${versionId} cannot be deployed again: with it, the containers of "${name}" ran ${to.configuration.image} (${to.image}), and that image is not there any more. ${cause.message}`,
          { cause, hint: "Push the same image again, or deploy the old code with `wrangler deploy`." },
        );
      }
      changes.push({ application: id, to });
    }
    return changes;
  }

  /** Makes the images ready that the version itself names. Errors: `CONFLICT` naming one that is not there, or not any more. */
  async requireOwn({ id, containers }: StoredVersion): Promise<void> {
    for (const [name, image] of containers.flatMap(({ images = {} }) => Object.entries(images))) {
      try {
        await this.#parts.images.preparePinned(image);
      } catch (cause) {
        if (!(cause instanceof LongshoreError) || cause.code === "UNAVAILABLE" || cause.code === "NO_SPACE") throw cause;
        const message = `Version ${id} cannot be deployed: its container image "${name}" (${image}) is not there, or not any more. ${cause.message}`;
        throw new LongshoreError("CONFLICT", message, { cause, hint: "Push the same image again, or deploy anew with `wrangler deploy`." });
      }
    }
  }

  /** Has new containers start on what the changes say, and running ones replaced in one step: all or none. The result puts everything back. */
  async apply(changes: readonly ImageChange[]): Promise<() => Promise<void>> {
    const { store, onCrash, clock } = this.#parts;
    const before: Application[] = [];
    const now = new Date(clock()).toISOString();
    const undo = async (): Promise<void> => {
      for (const each of before) await store.applications.update(each.id, () => each);
    };
    try {
      for (const { application, to } of changes) {
        await store.applications.update(application, (current) => {
          before.push(current);
          const reaction = crashReactionOf(to.configuration) ?? onCrash;
          const steps = planSteps({ step_percentage: 100 });
          const plan = {
            id: randomUUID(),
            description: "Rollback of the Worker",
            kind: "full_auto",
            to,
            steps,
            onCrash: reaction,
          } as const;
          return { ...beginRollout(current, plan, [], now), updatedAt: now };
        });
      }
    } catch (error) {
      await undo();
      throw error;
    }
    return undo;
  }

  /** The changes count: from now on running containers are replaced. */
  begin(changes: readonly ImageChange[]): void {
    for (const { application } of changes) this.#parts.runner.kick(application);
  }

  async #of(script: string): Promise<Application[]> {
    return (await this.#parts.store.applications.all()).filter((each) => each.script === script && !each.isVersioned);
  }
}
