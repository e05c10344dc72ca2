import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Which loopback port is the door of which container: workerd remembers it for as long as it lives, so an engine that starts again must listen
 * there again. A file for each container, written synchronously: a start must not wait for a turn of the thread pool.
 */
export class IngressPorts {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  set(container: string, port: number): void {
    writeFileSync(join(this.#directory, container), String(port), { mode: 0o600 });
  }

  remove(container: string): void {
    rmSync(join(this.#directory, container), { force: true });
  }

  /** Every container's port. What a killed engine had created but not filled is left out. */
  readAll(): [container: string, port: number][] {
    return readdirSync(this.#directory)
      .map((name): [string, number] => [name, Number(readFileSync(join(this.#directory, name), "utf8"))])
      .filter(([, port]) => port > 0);
  }

  async removeAll(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
