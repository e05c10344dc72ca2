import { ACCOUNT_LIMITS, instanceSize } from "@longshore/contract";
import { Hono } from "hono";
import { ok } from "../../api/envelope.js";
import { LARGEST } from "../../model/configuration.js";
import type { Services } from "../../services/services.js";

/** The account's limits, which clients check a configuration against before they build. */
export function me({ options, place }: Services): Hono {
  const total = options.accountLimits ?? ACCOUNT_LIMITS;
  const lite = instanceSize("lite");
  const limits = {
    account_id: options.accountId,
    vcpu_per_deployment: LARGEST.vcpu,
    memory_per_deployment: `${LARGEST.memoryMib}MiB`,
    memory_mib_per_deployment: LARGEST.memoryMib,
    disk_per_deployment: `${LARGEST.diskMb}MB`,
    disk_mb_per_deployment: LARGEST.diskMb,
    total_vcpu: total.vcpu,
    total_memory: `${total.memoryMib}MiB`,
    total_memory_mib: total.memoryMib,
    total_disk_mb: total.diskMb,
    node_group: "metal",
    network_modes: ["private"],
    ipv4s: 0,
  };
  const account = {
    // Clients put it in front of image names.
    external_account_id: options.accountId,
    legacy_identity: options.accountId,
    limits,
    locations: [{ name: place.location, location: place.location, region: place.region, limits: {} }],
    defaults: { vcpus: lite.vcpu, memory_mib: lite.memoryMib, memory: `${lite.memoryMib}MiB`, disk_mb: lite.diskMb },
  };
  return new Hono().get("/me", () => ok(account));
}
