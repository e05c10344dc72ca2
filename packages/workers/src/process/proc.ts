import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { isErrno } from "@longshore/contract";

/** What the kernel knows of a process. With `startTime`, a process id names one process for as long as the machine is up. */
export interface ProcessFacts {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTime: number;
  /** Dead, but not yet collected by its parent. */
  readonly zombie: boolean;
  readonly commandLine: readonly string[];
}

/** The facts of a process, or undefined when there is none with this id. */
export function processFacts(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in parentheses, and may itself hold both spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    return { pid, startTime: Number(fields[19]), zombie: fields[0] === "Z" || fields[0] === "X", commandLine };
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/** True while exactly this process runs, not another that was given its id. */
export function isAlive(pid: number, startTime: number): boolean {
  const facts = processFacts(pid);
  return facts !== undefined && !facts.zombie && facts.startTime === startTime;
}

/**
 * The workerds of this machine (or pid namespace) that have `argument` at the beginning of one of their arguments. Of other programs that have it,
 * such as an operator's `curl --unix-socket`, none is ours to touch.
 */
export function workerdsWithArgument(argument: string): ProcessFacts[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processFacts(Number(name)) ?? [])
    .filter(
      ({ zombie, commandLine }) =>
        !zombie && basename(commandLine[0] ?? "") === "workerd" && commandLine.some((word) => word.startsWith(argument)),
    );
}

/** Sends a signal to exactly this process. False when it is gone. */
export function signalProcess(pid: number, startTime: number, signal: NodeJS.Signals): boolean {
  if (!isAlive(pid, startTime)) return false;
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  }
}
