import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import { isGone } from "./files.js";

/** What limits need; the kernel gives them to a cgroup's children only where they are switched on in it. */
const CONTROLLERS = ["cpu", "memory", "pids"];
/** Where processes go that stand in the way. Docker-in-Docker and others use the same name. */
const FOR_OTHERS = "init";
const MOVE_ATTEMPTS = 10;

/**
 * Makes `parent` below `root`, so that cgroups below `parent` have the controllers. It is below the root of the tree, beside what systemd keeps there,
 * and not in the cgroup of a service: containers stay while the service is restarted, and systemd leaves alone what it did not make.
 * Errors: `UNAVAILABLE`.
 */
export function delegate(root: string, parent: string): void {
  const there = readFileSync(join(root, "cgroup.controllers"), "utf8").trim().split(" ");
  const missing = CONTROLLERS.filter((name) => !there.includes(name));
  if (missing.length > 0) {
    throw new LongshoreError("UNAVAILABLE", `The cgroup tree at ${root} has no controller for ${missing.join(" and ")}.`, {
      hint: 'Boot without "cgroup_disable=" (on a Raspberry Pi with "cgroup_enable=memory"), or give them to the container that Longshore runs in.',
    });
  }
  try {
    switchOn(root);
    mkdirSync(parent, { recursive: true });
    switchOn(parent);
  } catch (cause) {
    if (!["EROFS", "EACCES", "EPERM"].some((code) => isErrno(cause, code))) throw cause;
    throw new LongshoreError("UNAVAILABLE", `The cgroup tree at ${root} cannot be changed, so containers would have no limits.`, {
      cause,
      hint: "In a container, run that one as privileged.",
    });
  }
}

/**
 * A cgroup hands controllers on only while no process is in it. The real root is exempt; the root that a container sees (Docker, Kubernetes, LXC) is not,
 * and holds the container's processes: they go into a cgroup beside ours.
 */
function switchOn(directory: string): void {
  const wanted = CONTROLLERS.map((name) => `+${name}`).join(" ");
  for (let attempt = 1; ; attempt++) {
    try {
      writeFileSync(join(directory, "cgroup.subtree_control"), wanted);
      return;
    } catch (error) {
      // A process may be started between the move and the write.
      if (!isErrno(error, "EBUSY") || attempt === MOVE_ATTEMPTS) throw error;
      moveProcesses(directory, join(directory, FOR_OTHERS));
    }
  }
}

function moveProcesses(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const pid of readFileSync(join(from, "cgroup.procs"), "utf8").split("\n").filter(Boolean)) {
    try {
      writeFileSync(join(to, "cgroup.procs"), pid);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}
