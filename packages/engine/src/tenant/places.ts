import type { AccountLimits, ContainerClass, InstanceSize } from "@longshore/contract";
import type { CreateRequest, InstanceOwner } from "../instance/new-record.js";
import { Admission } from "./admission.js";
import type { TenantHost } from "./tenant-host.js";
import { Totals } from "./totals.js";

/** A start waits this long for another container to end, where limits are reached. */
export const ADMISSION_MS = 5_000;

export interface PlacesSettings {
  /** How long a start waits; {@link ADMISSION_MS} unless it is given. */
  readonly admissionMs?: number | undefined;
  /** What all applications' containers may have together; the documented limits unless it is given. */
  readonly accountLimits?: AccountLimits | undefined;
}

/** The places for containers that limits leave: those of each class, and those of all applications together. */
export class Places {
  readonly #tenants: ReadonlyMap<string, TenantHost>;
  readonly #admission: Admission;
  readonly #totals: Totals;

  constructor(tenants: ReadonlyMap<string, TenantHost>, { admissionMs = ADMISSION_MS, accountLimits }: PlacesSettings) {
    this.#tenants = tenants;
    this.#admission = new Admission(admissionMs);
    this.#totals = new Totals(accountLimits, () => this.#liveSizes());
  }

  /** See {@link Admission.enter}. The machine's owner does not wait, and no one does for him. */
  async enter(tenant: TenantHost, owner: InstanceOwner, { own }: CreateRequest, signal?: AbortSignal): Promise<Disposable> {
    const { name, containerClass } = owner;
    const reserve = () => {
      if (isApplication(tenant)) this.#totals.requireRoom(containerClass.size);
      return tenant.reserve(name, containerClass);
    };
    return await this.#admission.enter({ name, containerClass, reserve, signal }, own === undefined ? undefined : 0);
  }

  /** A container has ended, or limits are others now: those who wait are tried again. */
  look(): void {
    this.#admission.look();
  }

  /** How many more containers of a class its `max_instances` lets start now. */
  room(containerClass: ContainerClass): number {
    const { maxInstances, namespaceId } = containerClass;
    const owner = [...this.#tenants.values()].find(({ config }) => config.classes.some((one) => one.namespaceId === namespaceId));
    return owner === undefined ? 0 : Math.max(0, maxInstances - owner.instancesOf(containerClass));
  }

  /** The sizes of applications' containers that run or start. */
  *#liveSizes(): Iterable<InstanceSize> {
    for (const tenant of this.#tenants.values()) {
      if (!isApplication(tenant)) continue;
      yield* tenant.startingSizes;
      for (const { live, record } of tenant.containers.values()) {
        if (live) yield { vcpu: record.vcpu, memoryMib: record.memoryMib ?? 0, diskMb: record.diskMb ?? 0 };
      }
    }
  }
}

/** Not the owner's own containers, nor those of a development session: their tenants' names begin with "~". */
export function isApplication({ config }: Pick<TenantHost, "config">): boolean {
  return !config.id.startsWith("~");
}
