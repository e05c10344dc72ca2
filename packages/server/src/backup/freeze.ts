import { spawn } from "node:child_process";
import { join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import { processesWith, threadStates } from "../process/proc.js";

const STOP_DEADLINE_MS = 30_000;
/** A process that was told to stop does so within microseconds, unless it waits for the disk. */
const LOOK_EVERY_MS = 1;
/** Stopped, or traced by somebody who has stopped it, or gone. */
const STILL: ReadonlySet<string> = new Set(["T", "t", "Z", "X"]);

/** The processes of an installation that write what must last. */
export interface Writers {
  /** The server, which starts workerds: with it stopped, their number is final. */
  readonly server: readonly number[];
  workerds(): number[];
}

/** `up` is the process of `longshore up`; `undefined` when none runs. Workerds outlive it. */
export function writersOf(data: string, up: number | undefined): Writers {
  const programs = join(data, "bin/");
  return {
    server: processesWith((words, parent) => parent === up && words.some((word) => word.endsWith("/server-main.js"))),
    workerds: () => processesWith(([program = ""]) => program.startsWith(programs)),
  };
}

/**
 * Runs `work` while no writer runs at all: what is on disk then is what it would be had all of them been killed in that moment. Resolves to
 * what it found, and how long they stood still in milliseconds. They go on whatever becomes of this process: a shell waits for its end to tell them so.
 * Errors: `TIMEOUT` when one does not stop.
 */
export async function whileFrozen<T>(writers: Writers, work: () => Promise<T>): Promise<{ readonly facts: T; readonly frozenMs: number }> {
  const guard = new Guard();
  const began = performance.now();
  try {
    await stop(guard, writers.server);
    await stop(guard, writers.workerds());
    const facts = await work();
    return { facts, frozenMs: Math.round(performance.now() - began) };
  } finally {
    await guard.release();
  }
}

async function stop(guard: Guard, pids: readonly number[]): Promise<void> {
  guard.add(pids);
  for (const pid of pids) signal(pid, "SIGSTOP");
  const deadline = Date.now() + STOP_DEADLINE_MS;
  for (const pid of pids) {
    while (!threadStates(pid).every((state) => STILL.has(state))) {
      if (Date.now() > deadline)
        throw new LongshoreError("TIMEOUT", `Process ${pid} does not stop for the backup.`, { hint: "Try again." });
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
}

/** Tells processes to go on when it is released, or when the process that made it has ended. */
class Guard {
  readonly #shell = spawn("/bin/sh", ["-c", 'all=; while read -r pids; do all="$all $pids"; done; kill -CONT $all 2>/dev/null; exit 0'], {
    stdio: ["pipe", "ignore", "ignore"],
    // A Ctrl-C at the terminal is not for it.
    detached: true,
  });
  readonly #pids = new Set<number>();

  add(pids: readonly number[]): void {
    for (const pid of pids) this.#pids.add(pid);
    if (pids.length > 0) this.#shell.stdin?.write(`${pids.join(" ")}\n`);
  }

  async release(): Promise<void> {
    for (const pid of this.#pids) signal(pid, "SIGCONT");
    const ended = new Promise((resolve) => this.#shell.once("close", resolve));
    this.#shell.stdin?.end();
    await ended;
  }
}

function signal(pid: number, name: "SIGSTOP" | "SIGCONT"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}
