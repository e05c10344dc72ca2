import { randomUUID } from "node:crypto";
import type { AccountLimits, Engine, InstanceInfo, KeyedMutex } from "@longshore/contract";
import { ContainersError } from "../api/errors.js";
import type { Application } from "../model/application.js";
import { type CreateInput, type ModifyInput, planCreate, planModify } from "../model/application-input.js";
import { assertWithinTotals } from "../model/configuration.js";
import { UUID_PATTERN } from "../model/ids.js";
import type { ScriptHead } from "../model/script-head.js";
import type { Clock } from "../options.js";
import type { Store } from "../state/store.js";
import type { Background } from "./background.js";
import type { ImageCheck } from "./image-check.js";
import type { Tenants } from "./tenants.js";

const NAMESPACE_PATTERN = /^[0-9a-f]{32}$/;

/** How long an instance may take to end after SIGTERM. Source: spec 17. */
export const STOP_GRACE_MS = 15 * 60_000;

export interface ApplicationsParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly tenants: Tenants;
  readonly images: ImageCheck;
  readonly background: Background;
  readonly limits: AccountLimits;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
}

/** Containers applications: what may run, and as what. Moving running instances is the rollouts' part. */
export class Applications {
  readonly #parts: ApplicationsParts;

  constructor(parts: ApplicationsParts) {
    this.#parts = parts;
  }

  /** In order of their names. */
  async list(): Promise<Application[]> {
    const all = await this.#parts.store.applications.all();
    return all.sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Errors: `APPLICATION_NOT_FOUND`. */
  async get(id: string): Promise<Application> {
    const stored = UUID_PATTERN.test(id) || NAMESPACE_PATTERN.test(id) ? await this.#parts.store.applications.get(id) : undefined;
    if (stored === undefined) throw applicationNotFound(id);
    return stored.value;
  }

  /** When it resolves, the image is ready and the class may start. Errors: {@link ContainersError}, and the engine's about the image. */
  async create(input: CreateInput): Promise<Application> {
    const plan = planCreate(input);
    assertWithinTotals(plan.configuration, plan.maxInstances, this.#parts.limits);
    const image = plan.isVersioned ? "" : await this.#parts.images.resolve(plan.configuration);
    if (!plan.isVersioned) await this.#parts.images.prepare(image, plan.configuration);
    const { script } = await this.#owner(plan.namespaceId);
    return this.#parts.locks.run(script, async () => {
      // Looked up again: while the image was prepared the Worker may have changed.
      const { head, className } = await this.#owner(plan.namespaceId);
      await this.#assertContainerClass(head, className);
      const now = this.#now();
      const application: Application = {
        // Clients look for such an application by its class.
        id: plan.isVersioned ? plan.namespaceId : randomUUID(),
        ...(plan.isVersioned ? { isVersioned: true } : {}),
        name: plan.name,
        createdAt: now,
        updatedAt: now,
        script,
        namespaceId: plan.namespaceId,
        live: { version: 1, configuration: plan.configuration, image },
        lastVersion: 1,
        maxInstances: plan.maxInstances,
        graceSeconds: plan.graceSeconds,
        extra: plan.extra,
        rollouts: [],
      };
      // Names are unique over all scripts, and this runs under the lock of one.
      await this.#parts.locks.run("/applications", async () => {
        await this.#assertFree(plan.name, plan.namespaceId);
        await this.#parts.store.applications.create(application.id, application);
      });
      await this.#parts.tenants.sync(script);
      return application;
    });
  }

  /** Limits change at once; the configuration waits for a rollout, so nothing that runs is touched. Errors: {@link ContainersError}. */
  async modify(id: string, input: ModifyInput): Promise<Application> {
    const seen = await this.get(id);
    const { configuration, maxInstances } = planModify(seen, input);
    assertWithinTotals(configuration ?? seen.pending ?? seen.live.configuration, maxInstances, this.#parts.limits);
    if (configuration !== undefined && !seen.isVersioned) await this.#parts.images.resolve(configuration);
    return this.#parts.locks.run(seen.script, async () => {
      const changed = await this.#parts.store.applications.update(id, (application) => {
        const { configuration: pending, ...settings } = planModify(application, input);
        const changed = { ...application, ...settings, updatedAt: this.#now() };
        if (pending === undefined) return changed;
        // With no rollout to wait for, new instances have it at once.
        return application.isVersioned ? { ...changed, live: { ...application.live, configuration: pending } } : { ...changed, pending };
      });
      if (changed === undefined) throw applicationNotFound(id);
      await this.#parts.tenants.sync(changed.script);
      return changed;
    });
  }

  /** Its instances are told to stop; none can start any more. Errors: `APPLICATION_NOT_FOUND`. */
  async remove(id: string): Promise<void> {
    const { script } = await this.get(id);
    await this.#parts.locks.run(script, () => this.discard(script, (application) => application.id === id));
  }

  /** Deletes those applications of the script that `which` picks, and stops their instances. Callers hold the script's lock. */
  async discard(script: string, which: (application: Application) => boolean): Promise<void> {
    const gone = (await this.#ofScript(script)).filter(which);
    if (gone.length === 0) return;
    for (const application of gone) await this.#parts.store.applications.delete(application.id);
    await this.#parts.tenants.sync(script);
    await this.stopInstances(script, (instance) => gone.some((each) => each.id === instance.applicationId));
  }

  /** Deletes the applications whose class a migration has deleted. Callers hold the script's lock. */
  async discardOrphans(head: ScriptHead): Promise<void> {
    await this.discard(head.name, (application) => head.namespaces.every((each) => each.id !== application.namespaceId));
  }

  /** Deletes the applications of a script whose containers have been stopped already. Callers hold the script's lock. */
  async forget(script: string): Promise<void> {
    for (const application of await this.#ofScript(script)) await this.#parts.store.applications.delete(application.id);
  }

  /** Tells the picked instances of a script to stop, and does not wait for it. */
  async stopInstances(script: string, which: (instance: InstanceInfo) => boolean): Promise<void> {
    const { engine, background } = this.#parts;
    for (const instance of await engine.instances(script)) {
      if (instance.status === "exited" || !which(instance)) continue;
      background.run(`stopping instance ${instance.id}`, () => engine.stopInstance(instance.id, "policy", STOP_GRACE_MS));
    }
  }

  async #ofScript(script: string): Promise<Application[]> {
    return (await this.#parts.store.applications.all()).filter((each) => each.script === script);
  }

  async #owner(namespaceId: string): Promise<{ head: ScriptHead; script: string; className: string }> {
    for (const head of await this.#parts.store.liveHeads()) {
      const namespace = head.namespaces.find((each) => each.id === namespaceId);
      if (namespace !== undefined) return { head, script: head.name, className: namespace.className };
    }
    throw new ContainersError("DURABLE_OBJECT_NOT_FOUND", {
      "durable_objects.namespace_id": `no Worker of this installation has a Durable Object namespace "${namespaceId}".`,
    });
  }

  async #assertContainerClass(head: ScriptHead, className: string): Promise<void> {
    const version = await this.#parts.store.activeVersion(head);
    if (version.containers.some((each) => each.className === className)) return;
    throw new ContainersError(
      "DURABLE_OBJECT_NOT_CONTAINER_ENABLED",
      { "durable_objects.namespace_id": `class "${className}" of Worker "${head.name}" is deployed without a container.` },
      { hint: "Name the class under `containers` in the configuration file and deploy again." },
    );
  }

  async #assertFree(name: string, namespaceId: string): Promise<void> {
    for (const each of await this.#parts.store.applications.all()) {
      if (each.namespaceId === namespaceId) {
        throw new ContainersError("DURABLE_OBJECT_ALREADY_HAS_APPLICATION", {
          "durable_objects.namespace_id": `application "${each.name}" (${each.id}) is for this class already.`,
        });
      }
      if (each.name === name) {
        throw new ContainersError(
          "APPLICATION_NAME_ALREADY_EXISTS",
          { name: `there is an application "${name}" already (${each.id}), of Worker "${each.script}".` },
          { hint: "Give the container another `name` in the configuration file." },
        );
      }
    }
  }

  #now(): string {
    return new Date(this.#parts.clock()).toISOString();
  }
}

export function applicationNotFound(id: string): ContainersError {
  return new ContainersError(
    "APPLICATION_NOT_FOUND",
    { id: `there is no application "${id}".` },
    { hint: "`wrangler containers list` names them." },
  );
}
