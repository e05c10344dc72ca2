import { chmodSync, existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { libcFunction, SystemCallError, unmount } from "./libc.js";

const CLONE_NEWNS = 0x20000;
const MS_REC = 0x4000;
const MS_PRIVATE = 0x40000;
const MS_BIND = 0x1000;
const MS_REMOUNT = 0x20;
const MS_RDONLY = 1;
/** Empty for everybody but the engine, which mounts what containers start from below it. */
const MOUNT_POINT = "/run/longshore/mounts";
/** What must not reach a disk. */
const IN_MEMORY = `${MOUNT_POINT}/memory`;
const HYBRID_CGROUP2 = "/sys/fs/cgroup/unified";

const mount = libcFunction("int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)");
const makeNode = libcFunction("int mknod(const char *path, unsigned int mode, unsigned long device)");
const S_IFCHR = 0o020000;

/** Room for the environments of some thousand containers. */
const MEMORY_LIMIT = "256m";

let entered = false;

/**
 * Gives the engine its own view of mounts: what it mounts is seen by the containers it starts and by nobody else, and ends with them.
 * Call it first thing in the process. Only the calling thread and what it starts later is moved, so everything that must see the engine's
 * mounts runs on the main thread: spawned processes do, asynchronous file calls may not (use the synchronous ones below a mounted root).
 */
export function enterPrivateMountNamespace(): void {
  if (entered) return;
  if (libcFunction("int unshare(int flags)")(CLONE_NEWNS) !== 0) throw new SystemCallError("unshare", "CLONE_NEWNS");
  if (mount("none", "/", null, MS_REC | MS_PRIVATE, null) !== 0) throw new SystemCallError("mount", "/");
  // crun refuses a host that has both cgroup versions mounted. The second one has no controllers there, so nothing is lost without it.
  if (existsSync(`${HYBRID_CGROUP2}/cgroup.procs`)) unmount(HYBRID_CGROUP2);
  mkdirSync(MOUNT_POINT, { recursive: true, mode: 0o711 });
  if (mount("none", MOUNT_POINT, "tmpfs", 0, `mode=711,size=${MEMORY_LIMIT}`) !== 0) throw new SystemCallError("mount", MOUNT_POINT);
  mkdirSync(IN_MEMORY, { mode: 0o711 });
  protectNullDevice();
  entered = true;
}

/**
 * The path of a file that rests in memory, that the engine and what it starts can see, and that is gone with them: for environments, which may hold
 * secrets. Use synchronous calls, as below a mounted root.
 */
export function inMemory(name: string): string {
  return join(IN_MEMORY, name);
}

/** A device that anybody may open who gets to see it, for containers; its name is passable as {@link passableName} is. */
export function deviceNode(name: string, major: number, minor: number): string {
  const path = join(MOUNT_POINT, name);
  if (!existsSync(path) && makeNode(path, S_IFCHR, (major << 8) | minor) !== 0) throw new SystemCallError("mknod", path);
  chmodSync(path, 0o666);
  return path;
}

/**
 * A container's standard input is the host's /dev/null, and older runtimes (crun up to 1.8) give it to the container's user, who could then close it to
 * everybody. On a read-only mount its owner and mode stay; what is written to it has never been kept.
 */
function protectNullDevice(): void {
  const path = "/dev/null";
  if (mount(path, path, null, MS_BIND, null) !== 0 || mount(null, path, null, MS_REMOUNT | MS_BIND | MS_RDONLY, null) !== 0) {
    throw new SystemCallError("mount", path);
  }
}

/**
 * A second name for a directory, for the engine and what it starts. Whoever knows it may pass through, whatever the directories above allow: a
 * container's first process has no rights there once it is in a user namespace. What is mounted below either name does not appear below the other.
 */
export function passableName(directory: string): string {
  const name = mkdtempSync(join(MOUNT_POINT, "at."));
  chmodSync(directory, 0o711);
  if (mount(directory, name, null, MS_BIND, null) !== 0) throw new SystemCallError("mount", name);
  return name;
}
