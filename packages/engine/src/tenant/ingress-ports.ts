import { mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";

/**
 * Which loopback port is the door of which container: workerd remembers it for as long as it lives, so an engine that starts again must listen
 * there again. A symbolic link for each container, whose target is the port: made in one system call, and never half.
 */
export class IngressPorts {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  set(container: string, port: number): void {
    const link = join(this.#directory, container);
    try {
      symlinkSync(String(port), link);
    } catch (error) {
      // That of an earlier engine, whose port was taken by somebody else meanwhile.
      if (!isErrno(error, "EEXIST")) throw error;
      rmSync(link);
      symlinkSync(String(port), link);
    }
  }

  remove(container: string): void {
    rmSync(join(this.#directory, container), { force: true });
  }

  /** Every container's port. */
  readAll(): [container: string, port: number][] {
    return readdirSync(this.#directory).map((name) => [name, Number(readlinkSync(join(this.#directory, name)))]);
  }

  async removeAll(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
