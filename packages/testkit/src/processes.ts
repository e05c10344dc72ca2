import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isErrno } from "@longshore/contract";

/** A process of this machine, as /proc shows it. */
export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  readonly commandLine: string;
  /** All lines of its cgroup file. */
  readonly cgroup: string;
  /** Empty when it may not be known. */
  readonly mountNamespace: string;
}

/** Every process that runs now; zombies are left out, since nothing of them is left but a number. */
export function processes(): SeenProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => look(Number(name)))
    .filter((each) => each !== undefined);
}

function look(pid: number): SeenProcess | undefined {
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    // The name in the second field may hold anything, blanks and parentheses too.
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    if (state === "Z" || state === "X") return undefined;
    const cgroup = readFileSync(`/proc/${pid}/cgroup`, "utf8");
    return { pid, parent: Number(parent), commandLine, cgroup, mountNamespace: mountNamespace(pid) };
  } catch (error) {
    // It ended while it was looked at.
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

function mountNamespace(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch (error) {
    // A process with more rights than ours, such as the first of a virtual machine: it is none of an installation's.
    if (isErrno(error, "EACCES") || isErrno(error, "EPERM")) return "";
    throw error;
  }
}
