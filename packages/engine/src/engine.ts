import {
  type EgressUsage,
  type Engine,
  type ExitReason,
  type InstanceInfo,
  type LogLine,
  type LogQuery,
  type LogSource,
  LongshoreError,
  releasesOf,
  type Tenant,
  type UsageSource,
} from "@longshore/contract";
import type { Caller } from "./egress/connection.js";
import type { EngineParts } from "./engine-parts.js";
import { imagesInUse } from "./image/collector.js";
import { type ResolvedImage, resolveImage } from "./image/resolve.js";
import type { ImagesInUse } from "./image/store.js";
import { Containers } from "./instance/containers.js";
import { applicationLog } from "./log/application-log.js";
import { tailLog } from "./log/tail.js";
import { endStreams } from "./network/farewell.js";
import { SandboxSupply } from "./sandbox/supply.js";
import { isApplication, Places } from "./tenant/places.js";
import type { TenantHost } from "./tenant/tenant-host.js";

/** How long a Worker may take to hear of a container's end. */
const NOTICE_MS = 1_000;

/**
 * The containers of one host. The kernel and the records are the truth; everything here can be rebuilt from them (recovery.ts).
 * Tenants are kept by {@link TenantHost}s, which call in here.
 */
export class ContainerEngine implements Engine, LogSource, UsageSource {
  readonly parts: EngineParts;
  readonly tenants = new Map<string, TenantHost>();
  readonly containers: Containers;
  readonly #sandboxes: SandboxSupply;
  readonly #places: Places;
  #openTenant: (tenant: Tenant) => Promise<TenantHost>;

  constructor(parts: EngineParts, openTenant: (engine: ContainerEngine, tenant: Tenant) => Promise<TenantHost>) {
    this.parts = parts;
    this.#openTenant = (tenant) => openTenant(this, tenant);
    this.#places = new Places(this.tenants, parts);
    this.#sandboxes = new SandboxSupply({
      ...parts,
      cleanUp: (id) => this.containers.cleanUp(id),
      room: (containerClass) => this.#places.room(containerClass),
    });
    this.containers = new Containers({ engine: parts, sandboxes: this.#sandboxes, places: this.#places });
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
    await Promise.all([...tenant.containers.values()].map((instance) => this.containers.remove(tenant, instance)));
    await tenant.delete();
    await this.parts.snapshots.removeTenant(id);
    this.containers.failures.forget(id);
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
    return [...this.containers.byId.values()]
      .map((instance) => instance.info)
      .filter((info) => tenant === undefined || info.tenant === tenant);
  }

  async failures(tenant: string): Promise<InstanceInfo[]> {
    return this.containers.failures.of(tenant);
  }

  async stopInstance(id: string, reason: ExitReason, graceMs: number): Promise<void> {
    const instance = this.containers.instance(id);
    this.containers.stop(instance, "SIGTERM", reason, graceMs);
    const { tenant, name } = instance.record;
    if (reason === "rollout") await endStreams(instance, this.tenants.get(tenant)?.ingresses.get(name));
    await instance.exited;
    await instance.noticed(NOTICE_MS);
  }

  async freezeInstance(id: string, reclaim: boolean): Promise<void> {
    await this.containers.freezer.freeze(this.containers.instance(id), reclaim);
  }

  async thawInstance(id: string): Promise<void> {
    this.containers.instance(id).wake();
  }

  async logs(id: string, tail: number): Promise<string[]> {
    return await tailLog(this.parts.logs.file(this.containers.instance(id).record.id), tail);
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
    return imagesInUse(this.tenants.values(), this.containers.byId.values(), [...pooled, ...this.parts.snapshots.imageDigests()]);
  }

  /** Whose outbound connections a sandbox's are; `undefined` while it is nobody's. */
  outboundCaller(sandbox: string): Caller | undefined {
    const record = this.containers.byId.get(sandbox)?.record;
    return record === undefined ? undefined : this.tenants.get(record.tenant)?.egress.caller(record.name, record.answersOutbound === true);
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
    await this.containers.cleanedUp();
  }

  /** Makes no more sandboxes and removes those that wait. Containers run on, for the next engine to take back. */
  async leave(): Promise<void> {
    await this.#sandboxes.close();
    await this.settled();
    for (const instance of this.containers.byId.values()) instance.leave();
    await Promise.all([...this.tenants.values()].map((tenant) => tenant[Symbol.asyncDispose]()));
  }

  /** Ends every container and leaves nothing: for the end of the whole installation's run, not for a restart of the engine. */
  async shutdown(): Promise<void> {
    await Promise.all(
      [...this.tenants.values()].flatMap((tenant) =>
        [...tenant.containers.values()].map((instance) => this.containers.finish(tenant, instance)),
      ),
    );
    await this.#sandboxes.close();
    await this.settled();
    await this.parts.host.cgroups.removeParent();
    await Promise.all([...this.tenants.values()].map((tenant) => tenant[Symbol.asyncDispose]()));
  }

  #tenant(id: string): TenantHost {
    const tenant = this.tenants.get(id);
    if (tenant === undefined) throw new LongshoreError("NOT_FOUND", `The engine has no tenant "${id}".`);
    return tenant;
  }
}
