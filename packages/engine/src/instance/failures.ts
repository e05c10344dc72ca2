import { randomUUID } from "node:crypto";
import { type ErrorCode, hasFailed, type InstanceInfo, type LongshoreError, releaseFor, type Tenant } from "@longshore/contract";
import { parseContainerName } from "../tenant/tenant-host.js";

/** How many failures of a tenant's instances are remembered. */
const KEPT = 100;

/** These say nothing about what was to be started. */
const NOT_ITS_FAULT: ReadonlySet<ErrorCode> = new Set(["LIMIT_REACHED", "CONFLICT", "UNAVAILABLE", "NO_SPACE", "TIMEOUT"]);

/** Instances that failed, also when another has taken their place: see `Engine.failures`. */
export class Failures {
  readonly #byTenant = new Map<string, InstanceInfo[]>();

  /** Takes note of an instance that has ended. */
  ended(info: InstanceInfo): void {
    if (info.exit === undefined || !hasFailed(info.exit)) return;
    const list = this.#byTenant.get(info.tenant) ?? [];
    this.#byTenant.set(info.tenant, [...list, info].slice(-KEPT));
  }

  /** Takes note of a start that came to nothing before there was an instance. */
  notStarted(tenant: Tenant, name: string, failure: LongshoreError): void {
    if (NOT_ITS_FAULT.has(failure.code) || !tenant.classes.some(({ namespaceId }) => name.includes(namespaceId))) return;
    const { containerClass, durableObjectId } = parseContainerName(tenant, name);
    const { namespaceId, applicationId, version, image } = releaseFor(containerClass, durableObjectId);
    const at = new Date().toISOString();
    const exit = { code: 1, reason: "start_failure", at, lastLines: [failure.text] } as const;
    const identity = { id: randomUUID(), tenant: tenant.id, namespaceId, durableObjectId, applicationId };
    this.ended({ ...identity, version, image, status: "exited", createdAt: at, exit });
  }

  /** Oldest first. */
  of(tenant: string): InstanceInfo[] {
    return [...(this.#byTenant.get(tenant) ?? [])];
  }

  forget(tenant: string): void {
    this.#byTenant.delete(tenant);
  }
}
