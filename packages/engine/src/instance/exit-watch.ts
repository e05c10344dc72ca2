import { type FSWatcher, readFileSync, watch } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";

/**
 * Tells when a container has ended: conmon writes `<directory>/<id>` with the exit code, whether or not an engine runs.
 * Each id is reported once.
 */
export class ExitWatch implements Disposable {
  readonly #directory: string;
  readonly #report: (id: string, code: number) => void;
  readonly #reported = new Set<string>();
  #watcher: FSWatcher | undefined;

  constructor(directory: string, report: (id: string, code: number) => void) {
    this.#directory = directory;
    this.#report = report;
  }

  /** Starts watching; exits from before are reported first. */
  async start(): Promise<void> {
    this.#watcher = watch(this.#directory, (_event, name) => {
      if (typeof name === "string") this.#look(name);
    });
    for (const name of await readdir(this.#directory)) this.#look(name);
  }

  /** Call when an id's file was removed and the id will not come again. */
  forget(id: string): void {
    this.#reported.delete(id);
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }

  #look(name: string): void {
    // conmon writes to a temporary name first, with an extension.
    if (name.includes(".") || this.#reported.has(name)) return;
    const code = readCode(join(this.#directory, name));
    if (code === undefined) return;
    this.#reported.add(name);
    this.#report(name, code);
  }
}

function readCode(file: string): number | undefined {
  try {
    const content = readFileSync(file, "utf8").trim();
    return content === "" ? undefined : Number(content);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
