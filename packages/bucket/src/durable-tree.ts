import { mkdir, open, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { isErrno } from "@longshore/contract";
import { KeyLocks } from "./key-locks.js";

/** How often a change of a directory's content is tried again when the directory was removed, as empty, at the same moment. */
const ATTEMPTS = 8;

/**
 * Directories that survive a power failure once they are used: creating a file is only durable when every directory above it is.
 * Empty directories are removed again, so that `list` does not walk through what was deleted years ago.
 */
export class DurableTree {
  readonly #root: string;
  /** Directories whose own entry in their parent is on disk. */
  readonly #durable = new Set<string>();
  readonly #structure = new KeyLocks();

  constructor(root: string) {
    this.#root = root;
    this.#durable.add(root);
  }

  /** Runs `change`, which puts an entry into `directory`, and makes both the directory and the entry durable. */
  async change(directory: string, change: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      if (!this.#durable.has(directory)) await this.#structure.run("", () => this.#ensure(directory));
      try {
        await change();
        break;
      } catch (error) {
        if (!isErrno(error, "ENOENT") || attempt === ATTEMPTS) throw error;
        this.#forget(directory);
      }
    }
    await syncDirectory(directory);
  }

  /** Removes `directory` and those above it, as far as they are empty. Durability does not depend on it. */
  async prune(directory: string): Promise<void> {
    await this.#structure.run("", async () => {
      for (let path = directory; path !== this.#root; path = dirname(path)) {
        this.#durable.delete(path);
        if (!(await removedEmpty(path))) return;
      }
    });
  }

  async #ensure(directory: string): Promise<void> {
    if (this.#durable.has(directory)) return;
    const parent = dirname(directory);
    await this.#ensure(parent);
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
    // Also when it was there: whoever made it may have been killed before this.
    await syncDirectory(parent);
    this.#durable.add(directory);
  }

  #forget(directory: string): void {
    for (let path = directory; path !== this.#root; path = dirname(path)) this.#durable.delete(path);
  }
}

/** Makes the entries of a directory durable: what was created, renamed or removed in it before this call. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removedEmpty(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOTEMPTY") || isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
