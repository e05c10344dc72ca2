import { closeSync, constants, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { chown, link, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type InstanceSize, isErrno, LongshoreError } from "@longshore/contract";
import type { CgroupTree } from "../cgroup/cgroup.js";
import type { Disks } from "../disk/disks.js";
import type { Place } from "../egress/place.js";
import { readInRoot } from "../image/root.js";
import type { PreparedImage } from "../image/types.js";
import { type Identity, resolveUser } from "../image/user.js";
import { beginLog } from "../log/rotation.js";
import { NetworkNamespace } from "../network/namespace.js";
import { makeFifo } from "../sys/libc.js";
import { inMemory } from "../sys/mount-namespace.js";
import { identify, type ProcessIdentity, signalProcess } from "../sys/process.js";
import { type Console, createUnderConmon, type RuntimeCommand, runtime } from "./conmon.js";
import { asksForFuse, type Grants } from "./grants.js";
import type { IdRanges } from "./id-ranges.js";
import { type LateCommand, lateScripts, SHIM_FILES } from "./late-command.js";
import { ociSpec } from "./oci-spec.js";
import { mountFileSystem, NOTHING_RESTORED, type Restored, releaseFileSystem } from "./root-filesystem.js";
import { rememberRuntime, runtimeOf } from "./runtimes.js";
import type { SeccompFilters } from "./seccomp-filters.js";
import type { Shim } from "./shim.js";

/** What every sandbox of a host shares. */
export interface SandboxHost {
  /** A directory per sandbox, named by its id. */
  readonly directory: string;
  /** Another name of `directory`, which mounts are made under (`passableName`). */
  readonly mounts: string;
  readonly layersDirectory: string;
  readonly exitsDirectory: string;
  /** A file per sandbox with its output; stays when the sandbox is removed. */
  readonly logsDirectory: string;
  readonly shim: Shim;
  readonly runtime: RuntimeCommand;
  /** For applications that have another, by their names. */
  readonly runtimes?: ReadonlyMap<string, RuntimeCommand>;
  readonly cgroups: CgroupTree;
  readonly disks: Disks;
  /** User ids for each sandbox; without it root in a container is the host's root, with less capabilities. */
  readonly ids?: IdRanges;
  /** The way out; without it a container has its loopback interface only. */
  readonly egress?: SandboxEgress;
  readonly seccomp: Record<string, unknown>;
  readonly filters: SeccompFilters;
  /** For images and applications that ask for it; needs `ids`. */
  readonly grants?: Grants;
  /** The applications in which containers may be started. */
  readonly nested?: ReadonlySet<string>;
  /** Open files that each process may have; not above the host's own hard limit. */
  readonly openFiles: number;
}

/** What a sandbox needs of the outbound network (egress/egress-network.ts). */
export interface SandboxEgress {
  readonly resolvConf: string;
  reserve(sandbox: string): Place;
  connect(sandbox: string, pid: number): Promise<void>;
  release(sandbox: string): void;
}

/**
 * A container that is ready to become somebody's: namespaces, cgroup, root file system and limits are there, its first process waits.
 * Order of calls: {@link createSandbox}, then {@link Sandbox.launch} once; {@link Sandbox.remove} at any time ends and removes it.
 */
export interface Sandbox {
  readonly id: string;
  readonly directory: string;
  readonly image: PreparedImage;
  readonly identity: Identity;
  readonly process: ProcessIdentity;
  readonly network: NetworkNamespace;
  /** Its place in the outbound network, if there is one. */
  readonly place: Place | undefined;
  /** Lets the waiting shim run the command. The engine spawns nothing for it. */
  launch(command: LateCommand): void;
  /** Closes the files that are held for a sandbox that is never launched. Its process then ends by itself; {@link removeSandbox} removes the rest. */
  abandon(): void;
}

/** What only some sandboxes have, which are then made for one container. */
export interface SandboxOptions {
  /** Absent: the beginning of its id. */
  readonly hostname?: string;
  readonly console?: Console;
}

/** Makes a sandbox. Takes tens of milliseconds: do it ahead of need (pool.ts). On failure nothing is left. */
export async function createSandbox(
  host: SandboxHost,
  id: string,
  image: PreparedImage,
  size: InstanceSize,
  restored: Restored = NOTHING_RESTORED,
  options: SandboxOptions = {},
): Promise<Sandbox> {
  const directory = join(host.directory, id);
  try {
    return await assemble(host, id, directory, image, size, restored, options);
  } catch (cause) {
    await removeSandbox(host, id, undefined);
    throw cause;
  }
}

async function assemble(
  host: SandboxHost,
  id: string,
  directory: string,
  image: PreparedImage,
  size: InstanceSize,
  restored: Restored,
  options: SandboxOptions,
): Promise<Sandbox> {
  const shim = join(directory, "shim");
  const mounts = join(host.mounts, id);
  await mkdir(directory, { mode: 0o711 });
  rememberRuntime(directory, host.runtime);
  await mkdir(shim, { mode: 0o755 });
  makeFifo(join(shim, SHIM_FILES.pipe), 0o644);
  await mkdir(join(shim, SHIM_FILES.late), { mode: 0o755 });
  mkdirSync(inMemory(id), { mode: 0o755 });
  // To be filled at the launch: a file that is there is faster to write.
  writeFileSync(join(inMemory(id), SHIM_FILES.command), "", { mode: 0o644 });
  await link(host.shim.file, join(shim, "busybox"));
  const always = host.grants?.always;
  const ids = await host.ids?.take(id, always?.idRanges);
  const { disks, layersDirectory } = host;
  const binds = await mountFileSystem({
    ...{ disks, directory, mounts, mapping: ids?.mapping, layersDirectory, layers: image.layers, size, restored },
  });
  const root = join(mounts, "root");
  try {
    const identity = resolveUser(image.config.user, readInRoot(root, "/etc/passwd"), readInRoot(root, "/etc/group"));
    if (ids !== undefined) requireIds(identity, ids.size);
    const hostname = options.hostname ?? id.slice(0, 12);
    const place = host.egress?.reserve(id);
    const grant = always ?? (host.grants?.fuse !== undefined && asksForFuse(root) ? host.grants.fuse : undefined);
    const seccomp = grant?.seccomp ?? host.seccomp;
    const spec = ociSpec({
      rootDirectory: root,
      shimDirectory: join(mounts, "shim"),
      lateDirectory: inMemory(id),
      ids,
      binds,
      etcFiles: await etcFiles(directory, mounts, ids?.base ?? 0, hostname, place, host.egress?.resolvConf),
      hostname,
      terminal: options.console?.terminal === true,
      identity,
      workingDirectory: image.config.workingDirectory,
      cgroupPath: host.cgroups.path(id),
      size,
      limitSwap: host.cgroups.limitsSwap,
      endTogether: host.cgroups.endsTogether,
      openFiles: host.openFiles,
      seccomp,
      annotations: host.filters.annotations(host.runtime, seccomp),
      grant,
    });
    await writeFile(join(directory, "config.json"), JSON.stringify(spec));
    const pid = await createUnderConmon({
      id,
      bundle: directory,
      logFile: join(host.logsDirectory, id),
      exitsDirectory: host.exitsDirectory,
      runtime: host.runtime,
      ...(options.console === undefined ? {} : { console: options.console }),
    });
    beginLog(join(host.logsDirectory, id));
    host.filters.learn(host.runtime, seccomp, id);
    const network = NetworkNamespace.ofProcess(pid);
    await host.egress?.connect(id, pid);
    await runtime(host.runtime, ["start", id]);
    const fifo = await openOnceRead(join(shim, SHIM_FILES.pipe));
    const process = identify(pid);
    if (process === undefined) throw new LongshoreError("INTERNAL", `The sandbox ${id} ended before it was used.`);
    return {
      id,
      directory,
      image,
      identity,
      process,
      network,
      place,
      launch: ({ executable, ...command }) =>
        launch(inMemory(id), fifo, { ...command, executable: host.shim.namesPrograms ? executable : undefined }),
      abandon() {
        closeSync(fifo);
        network[Symbol.dispose]();
      },
    };
  } finally {
    // The container has its own view of the mount by now; the engine needs none.
    releaseFileSystem(mounts);
  }
}

function requireIds({ uid, gid, groups }: Identity, ids: number): void {
  const highest = Math.max(uid, gid, ...groups);
  if (highest < ids) return;
  throw new LongshoreError("UNSUPPORTED", `The image's USER has the id ${highest}; a container's ids go up to ${ids - 1}.`, {
    hint: "Use a lower id in the Dockerfile, or start Longshore with --user-namespaces off.",
  });
}

const SHIM_DEADLINE_MS = 30_000;

/**
 * Opens the shim's fifo for writing once the shim is reading: what is written before would be lost with the last writer. If the engine dies
 * without writing, the shim reads an end and exits by itself. Takes a few ms, and only while a sandbox is made.
 */
async function openOnceRead(fifo: string): Promise<number> {
  const deadline = Date.now() + SHIM_DEADLINE_MS;
  for (;;) {
    try {
      return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (!isErrno(error, "ENXIO") || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

function launch(directory: string, fifo: number, command: LateCommand): void {
  const scripts = lateScripts(command);
  if (scripts.init !== undefined) writeFileSync(join(directory, SHIM_FILES.init), scripts.init, { mode: 0o644 });
  writeFileSync(join(directory, SHIM_FILES.command), scripts.command);
  writeSync(fifo, "\n");
  closeSync(fifo);
}

/** The files that a container finds under /etc whatever its image says. */
async function etcFiles(
  directory: string,
  mounts: string,
  owner: number,
  hostname: string,
  place: Place | undefined,
  resolvConf = "# no resolver\n",
): Promise<Record<string, string>> {
  const own = place === undefined ? "" : `${place.ipv4}\t${hostname}\n`;
  const contents = {
    hosts: `127.0.0.1\tlocalhost${place === undefined ? ` ${hostname}` : ""}\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}`,
    hostname: `${hostname}\n`,
    "resolv.conf": resolvConf,
  };
  const files: Record<string, string> = {};
  for (const [name, content] of Object.entries(contents)) {
    const file = `etc-${name}`;
    await writeFile(join(directory, file), content, { mode: 0o644 });
    // The container's root may change them, as it does where it is nobody else.
    if (owner !== 0) await chown(join(directory, file), owner, owner);
    files[name] = join(mounts, file);
  }
  return files;
}

/** Ends whatever is left of a sandbox and removes every trace. Safe to repeat, and after a crash at any point of its making. */
export async function removeSandbox(host: SandboxHost, id: string, process: ProcessIdentity | undefined): Promise<void> {
  if (process !== undefined) signalProcess(process, "SIGKILL");
  await endProcesses(host.cgroups, id);
  await forget(runtimeOf(join(host.directory, id), host.runtime), id);
  host.egress?.release(id);
  await host.cgroups.remove(id);
  releaseFileSystem(join(host.mounts, id));
  await rm(join(host.directory, id), { recursive: true, force: true });
  rmSync(inMemory(id), { recursive: true, force: true });
  await rm(join(host.exitsDirectory, id), { force: true });
  host.ids?.release(id);
}

/** Has the runtime forget a container without processes. To ask it for that takes 15 ms of processor time, so where its files are known they are removed. */
async function forget(made: RuntimeCommand, id: string): Promise<void> {
  if (made.stateDirectory !== undefined) return await rm(join(made.stateDirectory, id), { recursive: true, force: true });
  await runtime(made, ["delete", "--force", id]).catch((error: unknown) => {
    // A runtime that does not know the id has nothing to delete; anything else shows in what is still there below.
    if (!(error instanceof LongshoreError)) throw error;
  });
}

const END_DEADLINE_MS = 30_000;

async function endProcesses(cgroups: CgroupTree, id: string): Promise<void> {
  const deadline = Date.now() + END_DEADLINE_MS;
  for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
    const pids = await cgroups.processes(id);
    if (pids.length === 0) return;
    await cgroups.kill(id);
    if (Date.now() > deadline) throw new LongshoreError("INTERNAL", `Processes ${pids.join(", ")} of sandbox ${id} did not end.`);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
