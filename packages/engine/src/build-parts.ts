import { createHash } from "node:crypto";
import { chmodSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { openCgroups } from "./cgroup/open.js";
import type { EngineDirectories } from "./directories.js";
import { Disks } from "./disk/disks.js";
import { EgressNetwork, type EgressOptions } from "./egress/egress-network.js";
import type { EngineSettings } from "./engine-settings.js";
import { LocalImages } from "./image/local/local-images.js";
import { withLocalImages } from "./image/local/with-local.js";
import { ImageStore } from "./image/store.js";
import { RecordStore } from "./instance/record.js";
import { LogKeeper } from "./log/keeper.js";
import type { RuntimeCommand } from "./sandbox/conmon.js";
import { availableGrants } from "./sandbox/grants.js";
import { IdRanges } from "./sandbox/id-ranges.js";
import { DEFAULT_CAPABILITIES } from "./sandbox/oci-spec.js";
import { runtimeCommand } from "./sandbox/runtimes.js";
import type { SandboxHost } from "./sandbox/sandbox.js";
import { seccompFor } from "./sandbox/seccomp.js";
import { SeccompFilters } from "./sandbox/seccomp-filters.js";
import { prepareShim } from "./sandbox/shim.js";
import { Snapshots } from "./snapshot/snapshots.js";
import { passableName } from "./sys/mount-namespace.js";

/** One network for all containers, made anew at each start of the engine. */
export async function openEgress(
  settings: EngineSettings,
  directories: EngineDirectories,
  owner: EgressOptions["owner"],
): Promise<EgressNetwork> {
  return await EgressNetwork.open({ allow: [], ...settings.egress, directory: directories.egress, owner, log: settings.log });
}

/** Everything that the engine works with, from what this machine has. */
export async function buildParts(settings: EngineSettings, directories: EngineDirectories, egress: EgressNetwork) {
  // One parent for each installation: two of them on a machine never sweep each other's.
  const installation = createHash("sha256").update(directories.data).digest("hex").slice(0, 8);
  const disks = await openDisks(settings, directories);
  const host: SandboxHost = {
    egress,
    directory: directories.sandboxes,
    mounts: passableName(directories.sandboxes),
    ...(await openIds(settings, directories, installation)),
    layersDirectory: join(directories.images, "layers"),
    exitsDirectory: directories.exits,
    logsDirectory: directories.logs,
    shim: await prepareShim(directories.busybox),
    ...(await openRuntimes(settings, directories)),
    cgroups: openCgroups(`longshore-${installation}`),
    disks,
    seccomp: seccompFor(DEFAULT_CAPABILITIES),
    filters: new SeccompFilters(),
    openFiles: settings.openFiles,
  };
  const localImages = await LocalImages.open(directories.localImages);
  const imageSource = withLocalImages(localImages, settings.images);
  return {
    directories,
    localImages,
    imageSource,
    images: await ImageStore.open(directories.images, imageSource),
    records: new RecordStore(directories.records, settings.recordsKey),
    poolDepth: settings.poolDepth,
    poolAhead: settings.poolAhead,
    stopGraceMs: settings.stopGraceMs,
    strayMs: settings.strayMs,
    admissionMs: settings.admissionMs,
    accountLimits: settings.accountLimits,
    log: settings.log,
    egress,
    host,
    logs: await LogKeeper.open(directories),
    snapshots: await Snapshots.open(directories.snapshots, host),
  };
}

async function openDisks(settings: EngineSettings, directories: EngineDirectories): Promise<Disks> {
  await rm(directories.scratch, { recursive: true, force: true });
  await mkdir(directories.scratch, { mode: 0o700 });
  if (settings.limitDisks === false) return Disks.unlimited("The settings say so.");
  const disks = await Disks.detect(directories.scratch);
  if (disks.unlimitedBecause !== undefined) settings.log("containers' disks have no limit", { reason: disks.unlimitedBecause });
  return disks;
}

async function openRuntimes({ runtime, runtimes = {} }: EngineSettings, { runtimeState }: EngineDirectories) {
  const others = new Map<string, RuntimeCommand>();
  for (const [application, program] of Object.entries(runtimes)) others.set(application, await runtimeCommand(program, runtimeState));
  return { runtime: await runtimeCommand(runtime, runtimeState), runtimes: others };
}

async function openIds(
  settings: EngineSettings,
  directories: EngineDirectories,
  installation: string,
): Promise<Pick<SandboxHost, "ids" | "grants" | "nested">> {
  if (settings.userNamespaces === false) return withoutIds(settings, "The settings say so.");
  const ids = new IdRanges(Number.parseInt(installation, 16));
  try {
    await ids.probe(directories.scratch);
    return { ids, grants: availableGrants(), nested: new Set(settings.nested) };
  } catch (error) {
    return withoutIds(settings, String(error));
  }
}

function withoutIds({ nested = [], log }: EngineSettings, reason: string): Record<never, never> {
  log("containers have no user namespaces of their own", { reason });
  if (nested.length === 0) return {};
  throw new LongshoreError("UNAVAILABLE", `Containers in containers (${nested.join(", ")}) need user namespaces: ${reason}`);
}

/** Makes what is not there yet. */
export async function prepareDirectories(directories: EngineDirectories): Promise<void> {
  for (const path of [directories.sandboxes, directories.records, directories.logs, directories.tenants, directories.runtimeState]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
  await mkdir(directories.exits, { recursive: true, mode: 0o700 });
  chmodSync(directories.run, 0o711);
}
