import { engineAccount } from "./engine-account.js";
import type { EngineFault } from "./engine-error.js";
import type { Lifecycle } from "./lifecycle.js";
import type { Run } from "./run.js";
import type { ContainerStartConfigOptions } from "./types.js";
import { sleep } from "./wait.js";

/** A program that runs out of memory again and again is given up after so many restarts in an hour, until a request asks for it. */
const MAX_RESTARTS = 5;
const WINDOW_MS = 3_600_000;
const FIRST_PAUSE_MS = 1000;

/** The engine's account of a container that has ended, if it ended because its memory ran out. */
export async function outOfMemory(run: Run): Promise<EngineFault | undefined> {
  const fault = await engineAccount(run);
  return fault?.reason === "oom" ? fault : undefined;
}

/** How long to wait before the next restart, in milliseconds, after restarts at these times; `undefined` when there is to be none. */
export function pauseBeforeRestart(restarts: readonly number[], now: number): number | undefined {
  const recent = restarts.filter((time) => time > now - WINDOW_MS).length;
  if (recent >= MAX_RESTARTS) return undefined;
  return recent === 0 ? 0 : FIRST_PAUSE_MS * 2 ** (recent - 1);
}

/** Starts a container that ran out of memory again, as the platform documents it: nobody has to ask for it. */
export class MemoryRestarts {
  #restarts: number[] = [];
  #wanted = 0;

  constructor(
    private readonly lifecycle: Lifecycle,
    private readonly start: (options: ContainerStartConfigOptions) => Promise<void>,
  ) {}

  /** Call when a process was killed that nobody had told to stop, and `onStop` has run. Never throws. */
  async after(run: Run): Promise<void> {
    const wanted = this.#wanted;
    const fault = await outOfMemory(run);
    if (fault === undefined) return;
    const now = Date.now();
    const pause = pauseBeforeRestart(this.#restarts, now);
    console.error(pause === undefined ? `${fault.message} It is not started again before it is asked for.` : fault.message);
    if (pause === undefined) return;
    this.#restarts = [...this.#restarts.slice(1 - MAX_RESTARTS), now];
    if (pause > 0) await sleep(pause);
    if (this.#wanted !== wanted || this.lifecycle.run !== undefined) return;
    await this.start(run.given).catch((error: unknown) => console.error("The container could not be started again:", error));
  }

  /** The container is not wanted any more: a restart that waits does not happen. */
  cancel(): void {
    this.#wanted++;
  }
}
