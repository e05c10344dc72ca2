import { type ExitReason, LongshoreError, releaseFor, toLongshoreError } from "@longshore/contract";
import { type EngineParts, STOP_GRACE_MS } from "../engine-parts.js";
import { ownImage } from "../image/own-image.js";
import type { SandboxSupply } from "../sandbox/supply.js";
import type { Places } from "../tenant/places.js";
import { parseContainerName, type TenantHost } from "../tenant/tenant-host.js";
import { Cleanups } from "./cleanups.js";
import { exitRecord } from "./ending.js";
import { Failures } from "./failures.js";
import { Freezer } from "./freezer.js";
import { Instance, type InstanceSandbox } from "./instance.js";
import { type CreateRequest, type InstanceOwner, newRecord } from "./new-record.js";
import { Programs } from "./programs.js";
import type { InstanceRecord } from "./record.js";
import { STRAY_MS, Strays } from "./strays.js";
import { withTerms } from "./terms.js";

/** When the whole installation ends, containers get this long between SIGTERM and SIGKILL. */
const SHUTDOWN_GRACE_MS = 3_000;

/** What containers are made of, and where they find room. */
export interface ContainersParts {
  readonly engine: EngineParts;
  readonly sandboxes: SandboxSupply;
  readonly places: Places;
}

/** The books of the containers of a host: how one comes into them, and what is done until nothing of it is left. */
export class Containers {
  readonly byId = new Map<string, Instance>();
  /** Told of each instance that comes into the books. */
  readonly adopted = new Set<(instance: Instance) => void>();
  /** Told of each instance of which nothing is left. */
  readonly forgotten = new Set<(instance: Instance) => void>();
  readonly failures = new Failures();
  readonly freezer: Freezer;
  readonly #parts: EngineParts;
  readonly #sandboxes: SandboxSupply;
  readonly #places: Places;
  readonly #programs = new Programs();
  readonly #strays: Strays;
  readonly #cleanups: Cleanups;

  constructor({ engine, sandboxes, places }: ContainersParts) {
    this.#parts = engine;
    this.#sandboxes = sandboxes;
    this.#places = places;
    this.freezer = new Freezer(engine.host.cgroups, (error) => engine.log("memory could not be reclaimed", { error: String(error) }));
    this.#strays = new Strays(engine.strayMs ?? STRAY_MS, (instance) => this.#endStray(instance));
    this.#cleanups = new Cleanups(engine.log);
  }

  /** The instance with an id. Errors: `NOT_FOUND`. */
  instance(id: string): Instance {
    const instance = this.byId.get(id);
    if (instance === undefined) throw new LongshoreError("NOT_FOUND", `There is no container instance ${id}.`);
    return instance;
  }

  /** Sends a terminating signal now and SIGKILL after the grace, unless the process ends before. */
  stop(instance: Instance, signal: NodeJS.Signals | number, reason: ExitReason, graceMs = this.#parts.stopGraceMs ?? STOP_GRACE_MS): void {
    instance.stop(signal, reason, graceMs);
  }

  /**
   * Makes a container from a sandbox that is ready, or from a new one. One that its Worker has lost sight of is given back to it, if just the same
   * is asked for.
   * Where limits are reached it waits for another container to end (tenant/admission.ts), as long as `signal` lets it.
   * Errors: `LIMIT_REACHED` (max_instances, account), `NOT_FOUND` (image), `INVALID_INPUT` (entrypoint), `CONFLICT` (the name is running).
   */
  async create(tenant: TenantHost, name: string, asked: CreateRequest, signal?: AbortSignal): Promise<Instance> {
    const previous = tenant.containers.get(name);
    const request = withTerms(asked);
    const givenBack = previous?.giveBack(request.requested) === true;
    if (previous?.live && !givenBack) throw new LongshoreError("CONFLICT", `The container ${name} is ${previous.status}.`);
    tenant.failures.delete(name);
    if (previous !== undefined && givenBack) return previous;
    try {
      const { containerClass: known, durableObjectId } = parseContainerName(tenant.config, name);
      const deployed = releaseFor(known, durableObjectId);
      const wanted = request.restore?.image;
      // What a snapshot was taken from is the engine's own word, and may be of any registry.
      const below = this.#parts.snapshots.imageBelow(tenant.config.id, request.restore);
      const image = below ?? (wanted === undefined ? deployed.image : ownImage(deployed.image, wanted));
      const containerClass = { ...deployed, image };
      return await this.createFor(tenant, { tenant: tenant.config.id, name, durableObjectId, containerClass }, request, signal);
    } catch (error) {
      // workerd does not pass the answer on in full; whoever connects to the container next is told.
      const failure = toLongshoreError(error, `Starting the container ${name}`);
      tenant.failures.set(name, failure);
      this.failures.notStarted(tenant.config, name, failure);
      throw error;
    }
  }

  /** As {@link create}, for a container whose class and object its caller knows. One of the same name that has ended is forgotten. */
  async createFor(tenant: TenantHost, owner: InstanceOwner, request: CreateRequest, signal?: AbortSignal): Promise<Instance> {
    const place = await this.#places.enter(tenant, owner, request, signal);
    try {
      return await this.#make(tenant, owner, request);
    } finally {
      place[Symbol.dispose]();
      // If it came to nothing, its place is another's.
      this.#places.look();
    }
  }

  async #make(tenant: TenantHost, owner: InstanceOwner, request: CreateRequest): Promise<Instance> {
    const { name, containerClass } = owner;
    const previous = tenant.containers.get(name);
    const sandbox = await this.#sandboxes.take(owner.tenant, containerClass, request.restore, request.own);
    try {
      const record = newRecord(owner, sandbox, request, this.#programs);
      this.#parts.records.write(record);
      if (previous !== undefined) this.#cleanups.add(this.#forget(tenant, previous));
      return this.adopt(tenant, record, sandbox);
    } catch (error) {
      await this.#sandboxes.abandon(sandbox);
      throw error;
    }
  }

  /** Takes a container into the books: one just made, or one found after a restart. */
  adopt(tenant: TenantHost, record: InstanceRecord, sandbox: InstanceSandbox): Instance {
    const instance = new Instance(record, sandbox, {
      save: (changed) => this.#parts.records.write(changed),
      throttle: (id, vcpu) => this.#parts.host.cgroups.setCpuQuota(id, vcpu),
      setFrozen: (id, frozen) => this.#parts.host.cgroups.setFrozen(id, frozen),
      unwatched: (lost) => this.#strays.lost(lost),
    });
    this.#strays.takenBack(instance);
    this.byId.set(record.id, instance);
    tenant.containers.set(record.name, instance);
    for (const tell of this.adopted) tell(instance);
    if (record.status === "frozen") this.freezer.reclaimLater(instance);
    return instance;
  }

  #endStray(instance: Instance): void {
    const { id, name, tenant } = instance.record;
    this.#parts.log("a container is ended that nobody has asked for since its Worker was killed", { id, name, tenant });
    this.stop(instance, "SIGTERM", "policy");
  }

  /** Ends a container at once, and removes everything of it. */
  async remove(tenant: TenantHost, instance: Instance): Promise<void> {
    if (instance.live) {
      instance.signal("SIGKILL", "signal");
      await instance.exited;
    }
    await this.#forget(tenant, instance);
  }

  /** A process under conmon has ended: a container's, or that of a sandbox still in the pool. */
  processEnded(id: string, code: number): void {
    const instance = this.byId.get(id);
    this.#cleanups.add(instance === undefined ? this.#sandboxes.discard(id) : this.#recordEnd(instance, code));
  }

  /** Ends a container as the machine's own shutdown would: asked first, and not for long. */
  async finish(tenant: TenantHost, instance: Instance): Promise<void> {
    if (instance.live && instance.status !== "created") {
      this.stop(instance, "SIGTERM", "drain", SHUTDOWN_GRACE_MS);
      await instance.exited;
    }
    await this.remove(tenant, instance);
  }

  async #recordEnd(instance: Instance, code: number): Promise<void> {
    const { id } = instance.record;
    if (!instance.live) return await this.#sandboxes.release(id);
    instance.end(await exitRecord(instance, code, this.#parts));
    this.failures.ended(instance.info);
    this.#places.look();
    this.#sandboxes.look();
    await this.#sandboxes.release(id);
  }

  /** Removes what is left of a sandbox that nobody has used, or whose container has ended. */
  async cleanUp(id: string): Promise<void> {
    await this.#sandboxes.release(id);
    await this.#parts.logs.discard(id);
    await this.#parts.records.remove(id);
  }

  async #forget(tenant: TenantHost, instance: Instance): Promise<void> {
    const { id, name } = instance.record;
    this.byId.delete(id);
    if (tenant.containers.get(name) === instance) tenant.containers.delete(name);
    await this.#parts.logs.keep(instance.record);
    await this.cleanUp(id);
    for (const tell of this.forgotten) tell(instance);
  }

  /** Resolves when every end that is known is recorded, and what is left of it removed. */
  async cleanedUp(): Promise<void> {
    await this.#cleanups.done();
  }
}
