import { existsSync } from "node:fs";
import { libcFunction, SystemCallError, unmount } from "./libc.js";

const CLONE_NEWNS = 0x20000;
const MS_REC = 0x4000;
const MS_PRIVATE = 0x40000;
const HYBRID_CGROUP2 = "/sys/fs/cgroup/unified";

let entered = false;

/**
 * Gives the engine its own view of mounts: what it mounts is seen by the containers it starts and by nobody else, and ends with them.
 * Call it first thing in the process. Only the calling thread and what it starts later is moved, so everything that must see the engine's
 * mounts runs on the main thread: spawned processes do, asynchronous file calls may not (use the synchronous ones below a mounted root).
 */
export function enterPrivateMountNamespace(): void {
  if (entered) return;
  if (libcFunction("int unshare(int flags)")(CLONE_NEWNS) !== 0) throw new SystemCallError("unshare", "CLONE_NEWNS");
  const mount = libcFunction("int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)");
  if (mount("none", "/", null, MS_REC | MS_PRIVATE, null) !== 0) throw new SystemCallError("mount", "/");
  // crun refuses a host that has both cgroup versions mounted. The second one has no controllers there, so nothing is lost without it.
  if (existsSync(`${HYBRID_CGROUP2}/cgroup.procs`)) unmount(HYBRID_CGROUP2);
  entered = true;
}
