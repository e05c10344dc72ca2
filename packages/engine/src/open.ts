import { createHash } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, rmSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { type AccountLimits, LongshoreError } from "@longshore/contract";
import { openCgroups } from "./cgroup/open.js";
import { keeperOf } from "./dev/caller.js";
import { DevSessions } from "./dev/sessions.js";
import { EngineDirectories } from "./directories.js";
import { Disks } from "./disk/disks.js";
import { watchSpace } from "./disk/space-watch.js";
import { EgressNetwork, type EgressOptions, type EgressSettings } from "./egress/egress-network.js";
import { ContainerEngine } from "./engine.js";
import type { Log } from "./engine-parts.js";
import { ExecRegistry } from "./exec/registry.js";
import { adminRoutes } from "./http/admin-api.js";
import { ownerSocketServer } from "./http/docker/owner-socket.js";
import { dockerRoutes } from "./http/docker-api.js";
import { execHijackRoutes, execRoutes } from "./http/exec-routes.js";
import { hijackHandler } from "./http/hijack.js";
import { logRoutes } from "./http/log-routes.js";
import { QuickServer } from "./http/quick-server.js";
import { routesHandler } from "./http/router.js";
import { startRoutes } from "./http/start-routes.js";
import type { BuildCommand } from "./image/build/build.js";
import { ImageCollector } from "./image/collector.js";
import { LocalImages } from "./image/local/local-images.js";
import { withLocalImages } from "./image/local/with-local.js";
import { ImageStore } from "./image/store.js";
import type { ImageSource } from "./image/types.js";
import { ExitWatch } from "./instance/exit-watch.js";
import { RecordStore } from "./instance/record.js";
import { LogKeeper } from "./log/keeper.js";
import { OwnContainers } from "./own/own-containers.js";
import { recover } from "./recovery.js";
import type { RuntimeCommand } from "./sandbox/conmon.js";
import { availableGrants } from "./sandbox/grants.js";
import { IdRanges } from "./sandbox/id-ranges.js";
import { DEFAULT_CAPABILITIES } from "./sandbox/oci-spec.js";
import { runtimeCommand } from "./sandbox/runtimes.js";
import type { SandboxHost } from "./sandbox/sandbox.js";
import { seccompFor } from "./sandbox/seccomp.js";
import { prepareShim } from "./sandbox/shim.js";
import { expireSnapshots, SNAPSHOT_TTL_MS } from "./snapshot/expiry.js";
import { Snapshots } from "./snapshot/snapshots.js";
import { enterPrivateMountNamespace, passableName } from "./sys/mount-namespace.js";
import { TenantHost } from "./tenant/tenant-host.js";

export interface EngineSettings {
  readonly dataDirectory: string;
  /** For sockets and what ends with the machine; its path must be short, since a socket's name has at most 107 bytes. */
  readonly runDirectory: string;
  /** 32 bytes that containers' environments are encrypted with where they are kept; the same after each restart. */
  readonly recordsKey: Uint8Array;
  readonly images: ImageSource;
  /** Absolute path of an OCI runtime: crun, runc, or one that takes the same arguments (sandbox/runtimes.ts). */
  readonly runtime: string;
  /** Other runtimes for some applications: paths by the applications' names. */
  readonly runtimes?: Readonly<Record<string, string>>;
  /** Sandboxes kept ready for each class. */
  readonly poolDepth: number;
  /** False lets containers write as much as the host's disk takes; true, unless it is given, limits them where the host can. */
  readonly limitDisks?: boolean;
  /** False keeps containers in the host's user namespace; true, unless it is given, gives each ids of its own where the host can. */
  readonly userNamespaces?: boolean;
  /** Names of the applications in which containers may be started: they have more rights than others, within their user namespaces. */
  readonly nested?: readonly string[];
  /** Snapshots older than this are removed when no container uses them; 30 days unless it is given. */
  readonly snapshotTtlMs?: number;
  /** What a container gets between SIGTERM and SIGKILL; 15 minutes unless it is given. */
  readonly stopGraceMs?: number;
  /** How long a container is kept whose Worker may not know of it, in milliseconds; ten minutes unless it is given. */
  readonly strayMs?: number;
  /** How long a start waits where limits are reached, in milliseconds; five seconds unless it is given. */
  readonly admissionMs?: number;
  /** What all applications' containers may have together; the documented limits unless it is given. */
  readonly accountLimits?: AccountLimits;
  /** Open files of a container's process. */
  readonly openFiles: number;
  /** Where containers may connect to, beside the public Internet. */
  readonly egress?: EgressSettings;
  /** Who may open the sockets besides root: the server and its workerds. */
  readonly socketOwner?: { readonly uid: number; readonly gid: number };
  /** Builds images for `docker build`; absent: this engine builds none. */
  readonly builder?: BuildCommand;
  readonly log: Log;
}

export interface OpenEngine extends AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly directories: EngineDirectories;
  /** Ends every container, and leaves nothing behind. Without it, disposing leaves them running for the next engine to take back. */
  shutdown(): Promise<void>;
}

/**
 * Starts the engine of this machine: takes back what runs, sweeps what is left over, listens. Must run on the main thread of a process of root's
 * that does nothing else, since it moves that process into a mount namespace of its own.
 */
export async function openEngine(settings: EngineSettings): Promise<OpenEngine> {
  enterPrivateMountNamespace();
  const directories = new EngineDirectories(settings.dataDirectory, settings.runDirectory);
  await prepareDirectories(directories);
  let outboundOwner: EgressOptions["owner"] = () => undefined;
  const egress = await openEgress(settings, directories, (sandbox) => outboundOwner(sandbox));
  const engine = new ContainerEngine(await buildParts(settings, directories, egress), async (current, tenant) => {
    const host = new TenantHost(directories, tenant, await egress.openTenant(tenant.id));
    await host.save();
    if (keeperOf(tenant.id) === undefined) await serveTenant(settings, directories, current, host);
    return host;
  });
  outboundOwner = (sandbox) => engine.outboundCaller(sandbox);
  await readTenants(directories, engine);
  await recover(engine);
  const exits = new ExitWatch(directories.exits, (id, code) => engine.processEnded(id, code));
  await exits.start();
  await Promise.race([Promise.all([...exits.reported].map((id) => engine.byId.get(id)?.exited)), engine.cleanedUp()]);
  // Only now: whoever is answered before the books are right is told that a container which runs does not, or the other way round.
  await openTenants(settings, directories, engine);
  const space = watchSpace(directories.data, settings.log);
  const expiry = expireSnapshots(engine, settings.snapshotTtlMs ?? SNAPSHOT_TTL_MS);
  const sessions = new DevSessions(engine);
  await sessions.sweep();
  const own = new OwnContainers(engine);
  const docker = await listen({}, directories.dockerSocket, ownerSocketServer({ engine, sessions, own, builder: settings.builder }));
  const admin = await listen(settings, directories.adminSocket, createServer(routesHandler(adminRoutes(engine))));
  const collector = new ImageCollector(
    engine.parts.images,
    () => engine.imagesInUse(),
    (error) => settings.log("removing unused images failed", { error: String(error) }),
  );
  void engine.refreshPool().then(() => collector.start());
  const close = async () => {
    collector[Symbol.dispose]();
    await sessions[Symbol.asyncDispose]();
    own[Symbol.dispose]();
    docker.close();
    docker.closeAllConnections();
    rmSync(directories.dockerSocket, { force: true });
    admin.close();
    admin.closeAllConnections();
    rmSync(directories.adminSocket, { force: true });
    space[Symbol.dispose]();
    expiry[Symbol.dispose]();
    engine.parts.logs[Symbol.dispose]();
  };
  return {
    engine,
    directories,
    async shutdown() {
      await close();
      await engine.shutdown();
      exits[Symbol.dispose]();
      egress[Symbol.dispose]();
    },
    async [Symbol.asyncDispose]() {
      await close();
      await engine.leave();
      exits[Symbol.dispose]();
      egress[Symbol.dispose]();
    },
  };
}

/** One network for all containers, made anew at each start of the engine. */
async function openEgress(settings: EngineSettings, directories: EngineDirectories, owner: EgressOptions["owner"]): Promise<EgressNetwork> {
  return await EgressNetwork.open({ allow: [], ...settings.egress, directory: directories.egress, owner, log: settings.log });
}

async function buildParts(settings: EngineSettings, directories: EngineDirectories, egress: EgressNetwork) {
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

async function prepareDirectories(directories: EngineDirectories): Promise<void> {
  for (const path of [directories.sandboxes, directories.records, directories.logs, directories.tenants, directories.runtimeState]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
  await mkdir(directories.exits, { recursive: true, mode: 0o700 });
  chmodSync(directories.run, 0o711);
}

async function readTenants(directories: EngineDirectories, engine: ContainerEngine): Promise<void> {
  for (const name of await readdir(directories.tenants)) {
    if (!name.endsWith(".json")) continue;
    const tenant = TenantHost.read(join(directories.tenants, name));
    engine.tenants.set(tenant.id, new TenantHost(directories, tenant, await engine.parts.egress.openTenant(tenant.id)));
  }
}

/** Takes the ports that containers had, and then the sockets: a new door must not be given a port that is somebody's. */
async function openTenants(settings: EngineSettings, directories: EngineDirectories, engine: ContainerEngine): Promise<void> {
  for (const host of engine.tenants.values()) {
    for (const [container, port] of host.ports.entries) {
      await host.openIngress(container, port).catch((error: unknown) => {
        settings.log("an ingress port is taken by another process; the container's Worker will open a new one", {
          container,
          port,
          error: String(error),
        });
      });
    }
  }
  for (const host of engine.tenants.values()) {
    if (keeperOf(host.config.id) === undefined) await serveTenant(settings, directories, engine, host);
  }
}

async function serveTenant(
  settings: EngineSettings,
  directories: EngineDirectories,
  engine: ContainerEngine,
  host: TenantHost,
): Promise<void> {
  const execs = new ExecRegistry(engine.parts.host);
  const find = (name: string) => host.container(name);
  const server = new QuickServer(
    { routes: startRoutes(engine, host) },
    routesHandler([
      ...dockerRoutes(engine, host),
      ...execRoutes(execs, find),
      ...logRoutes((one) => engine.parts.logs.file(one.record.id), find),
    ]),
  );
  server.on("upgrade", hijackHandler(execHijackRoutes(execs)));
  host.serve(await listen(settings, directories.tenantSocket(host.config.id), server));
}

/** Listens on a unix socket that root and the socket owner can open; what an engine that was killed left of it is replaced. */
async function listen(settings: Pick<EngineSettings, "socketOwner">, path: string, server: Server): Promise<Server> {
  rmSync(path, { force: true });
  mkdirSync(join(path, ".."), { recursive: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  if (settings.socketOwner !== undefined) chownSync(path, settings.socketOwner.uid, settings.socketOwner.gid);
  return server;
}
