import { readFileSync, statSync } from "node:fs";
import { isErrno } from "@longshore/contract";

/** A process that is still the same one after the engine was away: a pid alone may have been given to somebody else. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, from `/proc/<pid>/stat`. */
  readonly startTime: number;
}

/** The identity of a running process; `undefined` when there is none, or only its remains. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything; fields are counted after it.
    const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : { pid, startTime: Number(fields[19]) };
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startTime === process.startTime;
}

/** Who started a process, or who has taken it over since; `undefined` when it is gone. */
export function parentOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/** The oldest child of a process; `undefined` when it has none, or is gone. */
export function firstChild({ pid }: ProcessIdentity): ProcessIdentity | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    return child === undefined || child === "" ? undefined : identify(Number(child));
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/** Sends a signal to exactly this process. Returns false when it has ended. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals | number): boolean {
  if (!isAlive(target)) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  }
}

/** The user and group of the host that a process runs as. Errors: `ENOENT` when it is gone. */
export function identityOfProcess(pid: number): { readonly uid: number; readonly gid: number } {
  const { uid, gid } = statSync(`/proc/${pid}`);
  return { uid, gid };
}
