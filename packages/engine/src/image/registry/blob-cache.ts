import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { Response } from "./client.js";

const PARTIAL = ".partial";
/** A download that breaks off so often without one more byte is given up. */
const ATTEMPTS_WITHOUT_PROGRESS = 4;

/** Asks for a blob from byte `from` on; `undefined` when there is none. */
export type Fetch = (from: number) => Promise<Response | undefined>;

/**
 * Blobs of other registries on this machine's disk. What is there under its digest was checked against it. A download that breaks off goes on
 * where it was, also after a restart.
 */
export class BlobCache {
  readonly #directory: string;
  readonly #underWay = new Map<string, Promise<boolean>>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Removes what was used least recently until no more than `maxBytes` are left. */
  static async open(directory: string, maxBytes: number): Promise<BlobCache> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const files = [];
    for (const name of await readdir(directory)) {
      const { size, mtimeMs } = await stat(join(directory, name));
      files.push({ name, size, mtimeMs });
    }
    let total = 0;
    for (const { name, size } of files.sort((a, b) => b.mtimeMs - a.mtimeMs)) {
      total += size;
      if (total > maxBytes) await rm(join(directory, name), { force: true });
    }
    return new BlobCache(directory);
  }

  /** A blob's bytes, from disk when they are there. `undefined` when the registry has none. Errors: those of `fetch`, `INVALID_INPUT` (wrong digest). */
  async read(digest: string, fetch: Fetch): Promise<NodeJS.ReadableStream | undefined> {
    const file = this.#file(digest);
    if (!(await this.#has(file))) {
      let download = this.#underWay.get(digest);
      if (download === undefined) {
        download = this.#download(digest, file, fetch).finally(() => this.#underWay.delete(digest));
        this.#underWay.set(digest, download);
      }
      if (!(await download)) return undefined;
    }
    return createReadStream(file, { highWaterMark: 256 * 1024 });
  }

  async #has(file: string): Promise<boolean> {
    try {
      const now = new Date();
      await utimes(file, now, now);
      return true;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return false;
      throw error;
    }
  }

  async #download(digest: string, file: string, fetch: Fetch): Promise<boolean> {
    const partial = file + PARTIAL;
    let stuck = 0;
    for (;;) {
      const from = await sizeOf(partial);
      const response = await fetch(from);
      if (response === undefined || response.statusCode === 404) {
        await response?.body.dump();
        return false;
      }
      if (response.statusCode === 416) {
        // All of it is there already, or what is there is not a beginning of it: the digest tells.
        await response.body.dump();
        break;
      }
      try {
        await pipeline(response.body, createWriteStream(partial, { flags: response.statusCode === 206 ? "a" : "w", mode: 0o600 }));
        break;
      } catch (error) {
        if (isErrno(error, "ENOSPC") || isErrno(error, "EDQUOT")) throw error;
        stuck = (await sizeOf(partial)) > from ? 0 : stuck + 1;
        if (stuck >= ATTEMPTS_WITHOUT_PROGRESS) {
          throw new LongshoreError("UNAVAILABLE", `The download of ${digest} breaks off again and again.`, { cause: error });
        }
      }
    }
    const found = await digestOf(partial);
    if (found === digest) {
      await rename(partial, file);
      return true;
    }
    await rm(partial, { force: true });
    throw new LongshoreError("INVALID_INPUT", `A registry sends ${found} for the blob ${digest}.`, {
      hint: "Try again, or push the image again.",
    });
  }

  #file(digest: string): string {
    return join(this.#directory, digest.slice("sha256:".length));
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return 0;
    throw error;
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  } catch (error) {
    // An empty blob leaves no file behind when the registry says "no such range".
    if (!isErrno(error, "ENOENT")) throw error;
  }
  return `sha256:${hash.digest("hex")}`;
}
