import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { EngineDirectories } from "../directories.js";
import type { InstanceRecord } from "../instance/record.js";
import { EndedLogs } from "./ended.js";
import { logFiles, RotationWatch } from "./rotation.js";

/** Where the logs of all containers are, those that run and those that are gone. */
export class LogKeeper implements Disposable {
  readonly ended: EndedLogs;
  readonly #directory: string;
  readonly #rotation: RotationWatch;

  private constructor(directory: string, ended: EndedLogs) {
    this.#directory = directory;
    this.ended = ended;
    this.#rotation = new RotationWatch(directory);
  }

  static async open({ logs, endedLogs }: EngineDirectories): Promise<LogKeeper> {
    return new LogKeeper(logs, await EndedLogs.open(endedLogs));
  }

  /** The log of an instance that the engine has in its books. */
  file(id: string): string {
    return join(this.#directory, id);
  }

  /** An instance is being forgotten: its log is not, for a while. */
  async keep(record: InstanceRecord): Promise<void> {
    await this.ended.keep(record, this.file(record.id));
  }

  /** Removes what is left of a log. */
  async discard(id: string): Promise<void> {
    for (const file of logFiles(this.file(id))) await rm(file, { force: true });
  }

  [Symbol.dispose](): void {
    this.#rotation[Symbol.dispose]();
  }
}
