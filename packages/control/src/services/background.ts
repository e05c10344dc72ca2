import type { Log } from "../options.js";

/** Work that nobody waits for: its failure is logged, and stopping the server can wait for it. */
export class Background {
  readonly #log: Log;
  readonly #tasks = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** `doing` is a phrase for the log: "stopping instance X". */
  run(doing: string, task: () => Promise<void>): void {
    const running: Promise<void> = task()
      .catch((error: unknown) => this.#log.error(`${doing} failed`, { error }))
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }
}
