import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { inParallel, isErrno } from "@longshore/contract";
import type { ContainerEngine } from "./engine.js";
import { removeExecDirectories } from "./exec/directory.js";
import type { InstanceRecord } from "./instance/record.js";
import { logOf } from "./log/rotation.js";
import { NetworkNamespace } from "./network/namespace.js";
import { removeSandbox } from "./sandbox/sandbox.js";
import { isAlive } from "./sys/process.js";
import type { TenantHost } from "./tenant/tenant-host.js";

/** The exit code of a container whose end nobody saw. */
const UNKNOWN_EXIT_CODE = 255;
/** conmon writes the exit code within milliseconds of the end. */
const EXIT_REPORT_MS = 2_000;
/** Removing one waits for its processes to end, and nobody is answered before: a full pool would take seconds one by one. */
const SWEPT_AT_ONCE = 16;

/**
 * After the engine was away: takes every running container back, and removes what belongs to none — sandboxes of the old pool, cgroups, logs,
 * and what was half made when the engine was killed. The order matters: first the records, then everything they do not name.
 */
export async function recover(engine: ContainerEngine): Promise<void> {
  const { records } = engine.parts;
  const known = new Set<string>();
  for (const record of await records.readAll()) {
    const tenant = engine.tenants.get(record.tenant);
    if (tenant === undefined) {
      await records.remove(record.id);
      continue;
    }
    known.add(record.id);
    takeBack(engine, tenant, record);
    await reconnect(engine, record);
  }
  await sweep(engine, known);
}

function takeBack(engine: ContainerEngine, tenant: TenantHost, record: InstanceRecord): void {
  const network = record.status === "exited" ? undefined : networkOf(record);
  const instance = engine.containers.adopt(tenant, record, { network });
  if (record.status === "exited") return;
  if (network !== undefined) engine.parts.host.ids?.claim(record.id, record.process.pid);
  if (network === undefined) {
    // conmon may be about to say how it ended, or has said so already: the exit watch reports it. Without a conmon nobody will.
    setTimeout(
      () => instance.end({ code: UNKNOWN_EXIT_CODE, reason: "lost", at: new Date().toISOString(), lastLines: [] }),
      EXIT_REPORT_MS,
    ).unref();
    return;
  }
  instance.foundFrozen(engine.parts.host.cgroups.isFrozen(record.id));
  // Told already, unless the engine ended between the two: some programs take a second signal for impatience, and give up what they are doing.
  if (record.status === "stopping" && record.killAt === undefined) {
    engine.containers.stop(instance, "SIGTERM", record.stopReason ?? "signal");
  }
}

/** Puts a container that still runs back into the outbound network, which ended with the engine before this one. */
async function reconnect(engine: ContainerEngine, { id, place, process, status }: InstanceRecord): Promise<void> {
  if (place === undefined || status === "exited" || !isAlive(process)) return;
  const { egress, log } = engine.parts;
  await egress.reconnect(id, place, process.pid).catch((error: unknown) => {
    log("a container could not be connected to the network again", { id, error: String(error) });
  });
}

/** The network of a process that still runs. */
function networkOf({ process }: InstanceRecord): NetworkNamespace | undefined {
  if (!isAlive(process)) return undefined;
  try {
    return NetworkNamespace.ofProcess(process.pid);
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

async function sweep(engine: ContainerEngine, known: ReadonlySet<string>): Promise<void> {
  const { directories, host, log } = engine.parts;
  // The last: what an OCI runtime remembers of a container that it was making when it was killed itself.
  const places = [readdir(host.directory), host.cgroups.ids(), readdir(host.exitsDirectory), readdir(directories.runtimeState)];
  const found = new Set((await Promise.all(places)).flat());
  await inParallel(SWEPT_AT_ONCE, [...found], async (id) => {
    if (id.includes(".")) return;
    if (engine.containers.byId.get(id)?.live === true) return removeExecDirectories(join(host.directory, id));
    await removeSandbox(host, id, undefined).catch((error: unknown) => log("sweeping a sandbox failed", { id, error: String(error) }));
    await rm(join(directories.runtimeState, id), { recursive: true, force: true });
  });
  for (const id of new Set((await readdir(host.logsDirectory)).map(logOf))) if (!known.has(id)) await engine.parts.logs.discard(id);
}
