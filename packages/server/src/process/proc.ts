import { readdirSync, readFileSync } from "node:fs";
import { isErrno } from "@longshore/contract";

/** What `/proc/<pid>/stat` says of a process, or `/proc/<pid>/task/<tid>/stat` of a thread. */
export interface ProcessStat {
  /** One letter: `R`, `S`, `T`, `Z` … */
  readonly state: string;
  readonly parent: number;
  /** Clock ticks from the boot to its start: with the process id, this names one process for as long as the machine runs. */
  readonly startTime: number;
}

/** `undefined` when there is no such process or thread any more. */
export function statOf(path: string): ProcessStat | undefined {
  const text = readIfThere(`${path}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses, which may hold anything; fields are counted from behind it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", parent: Number(fields[1]), startTime: Number(fields[19]) };
}

/** The states of a process's threads; none when it has ended. */
export function threadStates(pid: number): string[] {
  return namesIn(`/proc/${pid}/task`).flatMap((thread) => statOf(`/proc/${pid}/task/${thread}`)?.state ?? []);
}

/** The ids of the processes whose command line, as words, and parent are what is wanted. */
export function processesWith(wanted: (words: readonly string[], parent: number) => boolean): number[] {
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = readIfThere(`/proc/${pid}/cmdline`)?.split("\0") ?? [];
      // The kernel's own have none.
      return words.length > 0 && words[0] !== "" && wanted(words, statOf(`/proc/${pid}`)?.parent ?? 0);
    });
}

function namesIn(directory: string): string[] {
  return unlessGone(() => readdirSync(directory)) ?? [];
}

function readIfThere(path: string): string | undefined {
  return unlessGone(() => readFileSync(path, "utf8"));
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}
