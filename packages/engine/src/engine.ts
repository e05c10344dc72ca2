import {
  type EgressUsage,
  type Engine,
  type ExitReason,
  type InstanceInfo,
  type LogLine,
  type LogQuery,
  type LogSource,
  LongshoreError,
  releaseFor,
  releasesOf,
  type Tenant,
  toLongshoreError,
  type UsageSource,
} from "@longshore/contract";
import type { Caller } from "./egress/connection.js";
import { type EngineParts, STOP_GRACE_MS } from "./engine-parts.js";
import { imagesInUse } from "./image/collector.js";
import { ownImage } from "./image/own-image.js";
import { type ResolvedImage, resolveImage } from "./image/resolve.js";
import type { ImagesInUse } from "./image/store.js";
import { Cleanups } from "./instance/cleanups.js";
import { exitRecord } from "./instance/ending.js";
import { Failures } from "./instance/failures.js";
import { Freezer } from "./instance/freezer.js";
import { Instance, type InstanceSandbox } from "./instance/instance.js";
import { type CreateRequest, type InstanceOwner, newRecord } from "./instance/new-record.js";
import { Programs } from "./instance/programs.js";
import type { InstanceRecord } from "./instance/record.js";
import { STRAY_MS, Strays } from "./instance/strays.js";
import { withTerms } from "./instance/terms.js";
import { applicationLog } from "./log/application-log.js";
import { tailLog } from "./log/tail.js";
import { endStreams } from "./network/farewell.js";
import { SandboxSupply } from "./sandbox/supply.js";
import { isApplication, Places } from "./tenant/places.js";
import { parseContainerName, type TenantHost } from "./tenant/tenant-host.js";

/** How long a Worker may take to hear of a container's end. */
const NOTICE_MS = 1_000;
/** When the whole installation ends, containers get this long between SIGTERM and SIGKILL. */
const SHUTDOWN_GRACE_MS = 3_000;

/**
 * The containers of one host. The kernel and the records are the truth; everything here can be rebuilt from them (recovery.ts).
 * Tenants are kept by {@link TenantHost}s, which call in here.
 */
export class ContainerEngine implements Engine, LogSource, UsageSource {
  readonly parts: EngineParts;
  readonly tenants = new Map<string, TenantHost>();
  readonly byId = new Map<string, Instance>();
  /** Told of each instance that comes into the books. */
  readonly adopted = new Set<(instance: Instance) => void>();
  /** Told of each instance of which nothing is left. */
  readonly forgotten = new Set<(instance: Instance) => void>();
  readonly #sandboxes: SandboxSupply;
  readonly #programs = new Programs();
  readonly #freezer: Freezer;
  readonly #strays: Strays;
  readonly #failures = new Failures();
  readonly #places: Places;
  readonly #cleanups: Cleanups;
  #openTenant: (tenant: Tenant) => Promise<TenantHost>;

  constructor(parts: EngineParts, openTenant: (engine: ContainerEngine, tenant: Tenant) => Promise<TenantHost>) {
    this.parts = parts;
    this.#openTenant = (tenant) => openTenant(this, tenant);
    this.#freezer = new Freezer(parts.host.cgroups, (error) => parts.log("memory could not be reclaimed", { error: String(error) }));
    this.#strays = new Strays(parts.strayMs ?? STRAY_MS, (instance) => this.#endStray(instance));
    this.#places = new Places(this.tenants, parts);
    this.#cleanups = new Cleanups(parts.log);
    this.#sandboxes = new SandboxSupply({
      ...parts,
      cleanUp: (id) => this.#cleanUp(id),
      room: (containerClass) => this.#places.room(containerClass),
    });
  }

  async putTenant(tenant: Tenant): Promise<void> {
    const existing = this.tenants.get(tenant.id);
    if (existing === undefined) this.tenants.set(tenant.id, await this.#openTenant(tenant));
    else await existing.update(tenant);
    this.#places.look();
    await this.refreshPool();
  }

  async deleteTenant(id: string): Promise<void> {
    const tenant = this.tenants.get(id);
    if (tenant === undefined) return;
    this.tenants.delete(id);
    await this.refreshPool();
    await Promise.all([...tenant.containers.values()].map((instance) => this.remove(tenant, instance)));
    await tenant.delete();
    await this.parts.snapshots.removeTenant(id);
    this.#failures.forget(id);
  }

  async setGate(tenant: string, shut: boolean): Promise<void> {
    this.#tenant(tenant).gateShut = shut;
  }

  async resolveImage(image: string): Promise<ResolvedImage> {
    return await resolveImage(this.parts.imageSource, image);
  }

  async prepareImage(image: string, maxBytes?: number): Promise<{ digest: string; sizeBytes: number }> {
    const { digest, sizeBytes } = await this.parts.images.prepare(image, maxBytes);
    return { digest, sizeBytes };
  }

  async instances(tenant?: string): Promise<InstanceInfo[]> {
    return [...this.byId.values()].map((instance) => instance.info).filter((info) => tenant === undefined || info.tenant === tenant);
  }

  async failures(tenant: string): Promise<InstanceInfo[]> {
    return this.#failures.of(tenant);
  }

  async stopInstance(id: string, reason: ExitReason, graceMs: number): Promise<void> {
    const instance = this.#instance(id);
    this.stop(instance, "SIGTERM", reason, graceMs);
    const { tenant, name } = instance.record;
    if (reason === "rollout") await endStreams(instance, this.tenants.get(tenant)?.ingresses.get(name));
    await instance.exited;
    await instance.noticed(NOTICE_MS);
  }

  async freezeInstance(id: string, reclaim: boolean): Promise<void> {
    await this.#freezer.freeze(this.#instance(id), reclaim);
  }

  async thawInstance(id: string): Promise<void> {
    this.#instance(id).wake();
  }

  async logs(id: string, tail: number): Promise<string[]> {
    return await tailLog(this.parts.logs.file(this.#instance(id).record.id), tail);
  }

  readLogs(query: LogQuery, signal?: AbortSignal): AsyncIterable<LogLine> {
    return applicationLog(this, query, signal);
  }

  async egressUsage(): Promise<EgressUsage[]> {
    return [...this.tenants.values()].map(({ config, egress }) => ({ tenant: config.id, ...egress.traffic.counts }));
  }

  socketPath(tenant: string): string {
    return this.parts.directories.tenantSocket(tenant);
  }

  /** Images that must stay on this host. */
  imagesInUse(): ImagesInUse {
    const pooled = this.#sandboxes.images.map(({ digest }) => digest);
    return imagesInUse(this.tenants.values(), this.byId.values(), [...pooled, ...this.parts.snapshots.imageDigests()]);
  }

  /** Whose outbound connections a sandbox's are; `undefined` while it is nobody's. */
  outboundCaller(sandbox: string): Caller | undefined {
    const record = this.byId.get(sandbox)?.record;
    return record === undefined ? undefined : this.tenants.get(record.tenant)?.egress.caller(record.name, record.answersOutbound === true);
  }

  /** Sends a terminating signal now and SIGKILL after the grace, unless the process ends before. */
  stop(instance: Instance, signal: NodeJS.Signals | number, reason: ExitReason, graceMs = this.parts.stopGraceMs ?? STOP_GRACE_MS): void {
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
      const below = this.parts.snapshots.imageBelow(tenant.config.id, request.restore);
      const image = below ?? (wanted === undefined ? deployed.image : ownImage(deployed.image, wanted));
      const containerClass = { ...deployed, image };
      return await this.createFor(tenant, { tenant: tenant.config.id, name, durableObjectId, containerClass }, request, signal);
    } catch (error) {
      // workerd does not pass the answer on in full; whoever connects to the container next is told.
      const failure = toLongshoreError(error, `Starting the container ${name}`);
      tenant.failures.set(name, failure);
      this.#failures.notStarted(tenant.config, name, failure);
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
      this.parts.records.write(record);
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
      save: (changed) => this.parts.records.write(changed),
      throttle: (id, vcpu) => this.parts.host.cgroups.setCpuQuota(id, vcpu),
      setFrozen: (id, frozen) => this.parts.host.cgroups.setFrozen(id, frozen),
      unwatched: (lost) => this.#strays.lost(lost),
    });
    this.#strays.takenBack(instance);
    this.byId.set(record.id, instance);
    tenant.containers.set(record.name, instance);
    for (const tell of this.adopted) tell(instance);
    if (record.status === "frozen") this.#freezer.reclaimLater(instance);
    return instance;
  }

  #endStray(instance: Instance): void {
    const { id, name, tenant } = instance.record;
    this.parts.log("a container is ended that nobody has asked for since its Worker was killed", { id, name, tenant });
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

  /** Sets what the pool keeps ready from the tenants' classes. Images that are not unpacked yet are unpacked first. */
  async refreshPool(): Promise<void> {
    const classes = [...this.tenants.values()].flatMap((tenant) =>
      tenant.config.classes.flatMap(releasesOf).map((containerClass) => ({ containerClass, isDeployed: isApplication(tenant) })),
    );
    await this.#sandboxes.keepReady(classes);
  }

  /** Resolves when the pool is full and every ended container is cleaned up. */
  async settled(): Promise<void> {
    await this.#sandboxes.filled();
    await this.cleanedUp();
  }

  /** Resolves when every end that is known is recorded, and what is left of it removed. */
  async cleanedUp(): Promise<void> {
    await this.#cleanups.done();
  }

  /** Makes no more sandboxes and removes those that wait. Containers run on, for the next engine to take back. */
  async leave(): Promise<void> {
    await this.#sandboxes.close();
    await this.settled();
    for (const instance of this.byId.values()) instance.leave();
    await Promise.all([...this.tenants.values()].map((tenant) => tenant[Symbol.asyncDispose]()));
  }

  /** Ends every container and leaves nothing: for the end of the whole installation's run, not for a restart of the engine. */
  async shutdown(): Promise<void> {
    await Promise.all(
      [...this.tenants.values()].flatMap((tenant) => [...tenant.containers.values()].map((instance) => this.#finish(tenant, instance))),
    );
    await this.#sandboxes.close();
    await this.settled();
    await this.parts.host.cgroups.removeParent();
    await Promise.all([...this.tenants.values()].map((tenant) => tenant[Symbol.asyncDispose]()));
  }

  /** Ends a container as the machine's own shutdown would: asked first, and not for long. */
  async #finish(tenant: TenantHost, instance: Instance): Promise<void> {
    if (instance.live && instance.status !== "created") {
      this.stop(instance, "SIGTERM", "drain", SHUTDOWN_GRACE_MS);
      await instance.exited;
    }
    await this.remove(tenant, instance);
  }

  async #recordEnd(instance: Instance, code: number): Promise<void> {
    const { id } = instance.record;
    if (!instance.live) return await this.#sandboxes.release(id);
    instance.end(await exitRecord(instance, code, this.parts));
    this.#failures.ended(instance.info);
    this.#places.look();
    this.#sandboxes.look();
    await this.#sandboxes.release(id);
  }

  async #cleanUp(id: string): Promise<void> {
    await this.#sandboxes.release(id);
    await this.parts.logs.discard(id);
    await this.parts.records.remove(id);
  }

  async #forget(tenant: TenantHost, instance: Instance): Promise<void> {
    const { id, name } = instance.record;
    this.byId.delete(id);
    if (tenant.containers.get(name) === instance) tenant.containers.delete(name);
    await this.parts.logs.keep(instance.record);
    await this.#cleanUp(id);
    for (const tell of this.forgotten) tell(instance);
  }

  #tenant(id: string): TenantHost {
    const tenant = this.tenants.get(id);
    if (tenant === undefined) throw new LongshoreError("NOT_FOUND", `The engine has no tenant "${id}".`);
    return tenant;
  }

  #instance(id: string): Instance {
    const instance = this.byId.get(id);
    if (instance === undefined) throw new LongshoreError("NOT_FOUND", `There is no container instance ${id}.`);
    return instance;
  }
}
