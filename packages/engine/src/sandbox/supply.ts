import { randomUUID } from "node:crypto";
import { availableParallelism } from "node:os";
import { type ContainerClass, LongshoreError } from "@longshore/contract";
import { prepareFor } from "../image/fit.js";
import type { ImageStore } from "../image/store.js";
import type { PreparedImage } from "../image/types.js";
import { imageForRun, type OwnRun } from "../own/run.js";
import type { RestoreRequest } from "../snapshot/restore-request.js";
import type { Snapshots } from "../snapshot/snapshots.js";
import { memoryState } from "./memory-state.js";
import { SandboxPool } from "./pool.js";
import { poolBudget } from "./pool-plan.js";
import { createSandbox, removeSandbox, type Sandbox, type SandboxHost } from "./sandbox.js";
import { Turnstile } from "./turnstile.js";

export interface SupplyParts {
  readonly host: SandboxHost;
  readonly images: ImageStore;
  readonly snapshots: Snapshots;
  /** Where a container of a sandbox that was made ahead will be recorded. */
  readonly records: { prepare(id: string): void };
  /** Sandboxes kept ready for each class that nobody has asked for of late; 0: none are ever made ahead. */
  readonly poolDepth: number;
  /** Of classes that are deployed more than that wait where there is memory to spare, up to what `max_instances` lets start. */
  readonly poolAhead?: boolean | undefined;
  /** How many more containers of a class can start now. */
  readonly room: (containerClass: ContainerClass) => number;
  readonly log: (message: string, details?: Record<string, unknown>) => void;
  /** Removes what is left of a sandbox that nobody has used, or whose container has ended. */
  readonly cleanUp: (id: string) => Promise<void>;
}

/** A class for which sandboxes are kept ready. */
export interface KnownClass {
  readonly containerClass: ContainerClass;
  /** Its `max_instances` is somebody's word; else it belongs to the owner or a development session, which run few. */
  readonly isDeployed: boolean;
}

/** Making a sandbox waits more than it works, for the kernel and for other processes: with twice the cores, a burst of 50 took half as long again. */
const MADE_AT_ONCE = 8 * availableParallelism();

/** Where containers get their sandboxes: from the pool where one is ready, else made for them. */
export class SandboxSupply {
  readonly #parts: SupplyParts;
  readonly #pool: SandboxPool;
  /** A crowd of starts is made a few at a time: all at once, each would wait for all. */
  readonly #making = new Turnstile(MADE_AT_ONCE);
  /** Pool key → what to make. */
  readonly #recipes = new Map<string, { image: PreparedImage; containerClass: ContainerClass }>();

  constructor(parts: SupplyParts) {
    this.#parts = parts;
    this.#pool = new SandboxPool({
      create: (key) => this.#createPooled(key),
      remove: (sandbox) => this.abandon(sandbox),
      budget: () => poolBudget(memoryState()),
      room: (key) => this.#room(key),
      failed: (key, error) => parts.log("a sandbox could not be made ahead", { key, error: String(error) }),
      left: (id, error) => parts.log("a sandbox that waited could not be removed", { id, error: String(error) }),
    });
  }

  /** Images from which sandboxes are made ahead. */
  get images(): PreparedImage[] {
    return [...this.#recipes.values()].map(({ image }) => image);
  }

  /** Sets the classes for which sandboxes are kept ready. Images that are not unpacked yet are unpacked first; one that cannot be is logged. */
  async keepReady(classes: Iterable<KnownClass>): Promise<void> {
    const { poolDepth, poolAhead = false } = this.#parts;
    const wanted = [];
    this.#recipes.clear();
    for (const { containerClass, isDeployed } of classes) {
      const image = await prepareFor(this.#parts.images, containerClass).catch((error: unknown) => {
        this.#parts.log("an image is not ready", { image: containerClass.image, error: String(error) });
        return undefined;
      });
      if (image === undefined) continue;
      const key = this.#poolKey(image, containerClass);
      this.#recipes.set(key, { image, containerClass });
      // Whoever wants none made ahead gets none, whatever the demand.
      const most = poolDepth === 0 ? 0 : containerClass.maxInstances;
      wanted.push({ key, least: poolDepth, most, ahead: poolAhead && isDeployed });
    }
    this.#pool.want(wanted);
  }

  /** A container has ended: another can start in its place. */
  look(): void {
    this.#pool.look();
  }

  /** A sandbox for one container, which is the caller's from then on. Errors: those of preparing the image, and of making a sandbox. */
  async take(tenant: string, containerClass: ContainerClass, restore: RestoreRequest | undefined, own?: OwnRun): Promise<Sandbox> {
    const { images, snapshots } = this.#parts;
    const host = this.#hostFor(containerClass);
    const image = await prepareFor(images, containerClass);
    // What is restored, or asked for by the owner, is part of the file system, which a sandbox that is ready has already.
    const ready = restore === undefined && own === undefined ? this.#pool.take(this.#poolKey(image, containerClass)) : undefined;
    if (ready !== undefined) return ready;
    const restored = snapshots.resolve(tenant, restore, image.digest);
    return await this.#making.pass(() =>
      own === undefined
        ? createSandbox(host, randomUUID(), image, containerClass.size, restored)
        : createSandbox(host, randomUUID(), imageForRun(image, own), containerClass.size, restored, own),
    );
  }

  /** Removes a sandbox that was taken, or made, and will not be used. */
  async abandon(sandbox: Sandbox): Promise<void> {
    sandbox.abandon();
    await this.#parts.cleanUp(sandbox.id);
  }

  /** A sandbox has ended while it waited. */
  async discard(id: string): Promise<void> {
    this.#pool.discard(id)?.abandon();
    await this.#parts.cleanUp(id);
  }

  /** Removes the kernel's side of a sandbox whose container has ended; what it wrote and printed is the caller's. */
  async release(id: string): Promise<void> {
    await removeSandbox(this.#parts.host, id, undefined);
  }

  /** Resolves when every class has its sandboxes, or cannot have them. */
  async filled(): Promise<void> {
    await this.#pool.filled();
  }

  /** Makes no more sandboxes, and removes those that wait. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  #room(key: string): number {
    const recipe = this.#recipes.get(key);
    return recipe === undefined ? 0 : this.#parts.room(recipe.containerClass);
  }

  async #createPooled(key: string): Promise<Sandbox> {
    const recipe = this.#recipes.get(key);
    if (recipe === undefined) throw new LongshoreError("NOT_FOUND", `No class needs a sandbox of ${key} any more.`);
    const { image, containerClass } = recipe;
    const sandbox = await createSandbox(this.#hostFor(containerClass), randomUUID(), image, containerClass.size);
    this.#parts.records.prepare(sandbox.id);
    return sandbox;
  }

  /** The host as an application has it, with the runtime and the rights that the operator has chosen for it. */
  #hostFor({ applicationName }: ContainerClass): SandboxHost {
    const { host } = this.#parts;
    const { grants } = host;
    const runtime = host.runtimes?.get(applicationName) ?? host.runtime;
    const isNested = grants !== undefined && host.nested?.has(applicationName) === true;
    return { ...host, runtime, ...(isNested ? { grants: { ...grants, always: grants.nested } } : {}) };
  }

  #poolKey(image: PreparedImage, containerClass: ContainerClass): string {
    const { vcpu, memoryMib, diskMb } = containerClass.size;
    const { runtime, grants } = this.#hostFor(containerClass);
    return `${image.digest} ${vcpu}/${memoryMib}/${diskMb} ${runtime.program} ${grants?.always?.kind ?? ""}`;
  }
}
