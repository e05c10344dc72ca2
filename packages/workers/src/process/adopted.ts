import { setTimeout as delay } from "node:timers/promises";
import { watchLifeline } from "./lifeline.js";
import { isAlive, signalProcess } from "./proc.js";
import { endWithin, type ProcessExit, type WorkerdProcess } from "./workerd-process.js";

/** From the end of the lifeline to the end of the process, in milliseconds: the kernel closes files one after the other. */
const DYING_MS = 1000;

/** A workerd that an earlier server started. */
export class AdoptedWorkerd implements WorkerdProcess {
  readonly pid: number;
  readonly startTime: number;
  readonly logPosition: number;
  readonly exited: Promise<ProcessExit>;
  readonly #stopWatching: () => void;

  /** Throws a system error when the lifeline is not there. */
  constructor(pid: number, startTime: number, logPosition: number, lifelinePath: string) {
    const lifeline = watchLifeline(lifelinePath);
    this.pid = pid;
    this.startTime = startTime;
    this.logPosition = logPosition;
    this.#stopWatching = lifeline.stop;
    this.exited = lifeline.ended.then(() => gone(pid, startTime)).then((): ProcessExit => "unknown");
  }

  stop(graceMs: number): Promise<void> {
    return endWithin(graceMs, this.exited, (signal) => signalProcess(this.pid, this.startTime, signal));
  }

  letGo(): void {
    this.#stopWatching();
  }
}

/**
 * The lifeline is among the first files that a dying process closes, its databases among the last: their locks must be free before the next
 * process opens them. That takes microseconds, and has no event.
 */
async function gone(pid: number, startTime: number): Promise<void> {
  const deadline = Date.now() + DYING_MS;
  while (isAlive(pid, startTime)) {
    if (Date.now() > deadline) signalProcess(pid, startTime, "SIGKILL");
    await delay(1);
  }
}

/** Ends a process that has no lifeline we could watch. Resolves when it is gone, and its databases with it. */
export async function killStray(pid: number, startTime: number): Promise<void> {
  signalProcess(pid, startTime, "SIGKILL");
  await gone(pid, startTime);
}
