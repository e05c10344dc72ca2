import type { Log } from "../options.js";

/** Runs work that nobody waits for; its failure is logged. */
export class Background {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** `doing` is a phrase for the log: "stopping instance X". */
  run(doing: string, task: () => Promise<void>): void {
    task().catch((error: unknown) => this.#log.error(`${doing} failed`, { error }));
  }
}
