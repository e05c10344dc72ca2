import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { isErrno, LongshoreError, toLongshoreError } from "@longshore/contract";
import { extractLayer } from "./layer.js";
import type { Descriptor } from "./manifest.js";

/** Unpacking a layer must end; a disk that hangs must not hold a deploy for ever. */
const EXTRACT_DEADLINE_MS = 15 * 60_000;
/** What the largest images have, several times over. An entry costs an inode and some memory. */
const MAX_ENTRIES = 2_000_000;
/**
 * A layer is named by so many hex digits of its diffId: few enough that 127 of them fit into the one page of mount options. Its note has the whole
 * diffId, so that two layers that agree in these digits are never taken for each other.
 */
const NAME_DIGITS = 24;
const PARTIAL = "partial-";
const NOTE = ".json";

interface LayerNote {
  readonly diffId: string;
  readonly bytes: number;
  /** The boot in which it was unpacked: until it is durable, it is whole in that one only. */
  readonly boot: string;
  /** True when all of it is on the disk, so that it outlives a power failure. */
  readonly durable: boolean;
}

/**
 * Unpacked layers, a directory each, shared by every image that has them. Beside a directory is its note. Both appear whole, the note first:
 * what a killed engine left half done is named `partial-…` and swept by {@link open}, and so is what a power failure may have damaged.
 */
export class LayerStore {
  readonly directory: string;
  readonly #boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(directory: string): Promise<LayerStore> {
    await mkdir(directory, { recursive: true });
    // Images hold set-uid programs of root's: nobody on the host may reach them.
    await chmod(directory, 0o700);
    const store = new LayerStore(directory);
    const leftovers = (await readdir(directory)).filter((name) => name.startsWith(PARTIAL));
    for (const name of await store.names()) {
      const note = await store.#note(name);
      if (note === undefined || (!note.durable && note.boot !== store.#boot)) leftovers.push(name, name + NOTE);
    }
    await removeTrees(leftovers.map((name) => join(directory, name)));
    return store;
  }

  static nameOf(diffId: string): string {
    return diffId.slice("sha256:".length, "sha256:".length + NAME_DIGITS);
  }

  /**
   * Unpacks a layer unless it is there. Returns its unpacked size in bytes.
   * Errors: as {@link extractLayer}; `CONFLICT` for another layer of the same name.
   */
  async ensure(descriptor: Descriptor, diffId: string, maxBytes: number, open: () => Promise<Readable>): Promise<number> {
    const name = LayerStore.nameOf(diffId);
    const note = await this.#note(name);
    if (note !== undefined) {
      if (note.diffId === diffId) return note.bytes;
      throw new LongshoreError("CONFLICT", `The image layer ${diffId} has the same name on this machine as another one, ${note.diffId}.`, {
        hint: "Change anything in the image and build it again.",
      });
    }
    const partial = join(this.directory, `${PARTIAL}${randomUUID()}`);
    await mkdir(partial, { mode: 0o755 });
    try {
      const job = { directory: partial, digest: descriptor.digest, size: descriptor.size, diffId, maxBytes, maxEntries: MAX_ENTRIES };
      const { bytes } = await extractLayer(Readable.from(await open()), job, AbortSignal.timeout(EXTRACT_DEADLINE_MS));
      await this.#write(name, { diffId, bytes, boot: this.#boot, durable: false });
      await this.#place(partial, name);
      return bytes;
    } catch (error) {
      await removeTrees([partial]);
      throw toLongshoreError(error, `unpacking the image layer ${diffId}`);
    }
  }

  /**
   * Takes away every layer that is not in `keep` and was made before `before` (ms since 1970). Deciding and taking the names away is one
   * synchronous step, so that nobody can start to use a layer in between; the returned promise is for the removal itself.
   */
  collect(names: readonly string[], keep: ReadonlySet<string>, before: number): Promise<number> {
    const doomed: string[] = [];
    for (const name of names) {
      if (keep.has(name) || !isOlder(join(this.directory, name + NOTE), before)) continue;
      const gone = join(this.directory, `${PARTIAL}${randomUUID()}`);
      // The note goes last: without its directory it says nothing, the other way round the directory would never be found again.
      if (renamed(join(this.directory, name), gone)) doomed.push(gone);
      rmSync(join(this.directory, name + NOTE), { force: true });
    }
    return removeTrees(doomed).then(() => doomed.length);
  }

  /** Names of all layers that have a note. */
  async names(): Promise<string[]> {
    return (await readdir(this.directory))
      .filter((name) => name.endsWith(NOTE) && !name.startsWith(PARTIAL))
      .map((name) => basename(name, NOTE));
  }

  /**
   * Writes layers to the disk for good. That may take many seconds, so nothing waits for it: until then a layer counts as whole in this boot only.
   * Errors: those of the `sync` command.
   */
  async makeDurable(names: readonly string[]): Promise<void> {
    const volatile = new Map<string, LayerNote>();
    for (const name of names) {
      const note = await this.#note(name);
      if (note?.durable === false) volatile.set(name, note);
    }
    if (volatile.size === 0) return;
    await promisify(execFile)("sync", ["--file-system", this.directory]);
    for (const [name, note] of volatile) await this.#write(name, { ...note, durable: true });
  }

  async #write(name: string, note: LayerNote): Promise<void> {
    const partial = join(this.directory, `${PARTIAL}${randomUUID()}${NOTE}`);
    await writeFile(partial, JSON.stringify(note));
    await rename(partial, join(this.directory, name + NOTE));
  }

  /** What is known of a layer that is there and whole. */
  async #note(name: string): Promise<LayerNote | undefined> {
    try {
      await stat(join(this.directory, name));
      return JSON.parse(await readFile(join(this.directory, name + NOTE), "utf8")) as LayerNote;
    } catch (error) {
      // A power failure may leave an empty note: the layer is made again.
      if (isErrno(error, "ENOENT") || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async #place(partial: string, name: string): Promise<void> {
    const target = join(this.directory, name);
    try {
      await rename(partial, target);
    } catch (error) {
      if (!isErrno(error, "ENOTEMPTY") && !isErrno(error, "EEXIST")) throw error;
      // Made twice at the same time, or left without a note: this one is as good.
      const old = join(this.directory, `${PARTIAL}${randomUUID()}`);
      await rename(target, old);
      await rename(partial, target);
    }
  }
}

function isOlder(file: string, before: number): boolean {
  const status = statSync(file, { throwIfNoEntry: false });
  return status !== undefined && status.mtimeMs <= before;
}

function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** `rm` copes with paths longer than the kernel takes at once, and with millions of files without holding up the engine. */
async function removeTrees(paths: readonly string[]): Promise<void> {
  if (paths.length > 0) await promisify(execFile)("rm", ["-rf", "--", ...paths]);
}
