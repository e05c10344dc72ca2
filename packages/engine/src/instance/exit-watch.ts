import { type FSWatcher, readFileSync, watch } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";

/**
 * Tells when a container has ended: conmon writes `<directory>/<id>` with the exit code, whether or not an engine runs.
 * Each id is reported once, for as long as its file is there.
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

  /** Every id that has been told of and whose file is still there. */
  get reported(): ReadonlySet<string> {
    return this.#reported;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }

  #look(name: string): void {
    // conmon writes to a temporary name first, with an extension.
    if (name.includes(".")) return;
    const code = readCode(join(this.#directory, name));
    if (code === undefined) {
      // It was removed, with everything of the container.
      this.#reported.delete(name);
      return;
    }
    if (this.#reported.has(name)) return;
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
