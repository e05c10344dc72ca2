import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, type Stats } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
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
  readonly #maxBytes: number;
  readonly #underWay = new Map<string, Promise<boolean>>();

  private constructor(directory: string, maxBytes: number) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
  }

  /** What was used least recently goes, so that no more than `maxBytes` stay: when it is opened, and after every download. */
  static async open(directory: string, maxBytes: number): Promise<BlobCache> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const cache = new BlobCache(directory, maxBytes);
    await cache.#trim();
    return cache;
  }

  /**
   * A blob's bytes, from disk when they are there. `undefined` when the registry has none. No more than `maxBytes` are taken from the registry.
   * Errors: those of `fetch`, `INVALID_INPUT` (wrong digest, or too many bytes).
   */
  async read(digest: string, maxBytes: number, fetch: Fetch): Promise<NodeJS.ReadableStream | undefined> {
    for (;;) {
      const file = await this.#opened(digest);
      if (file !== undefined) return streamOf(file);
      const others = this.#underWay.get(digest);
      if (others !== undefined) {
        // Their registry may fail or not have it; ours is asked then.
        await others.catch(noResult);
        continue;
      }
      const download = this.#download(digest, maxBytes, fetch).finally(() => this.#underWay.delete(digest));
      this.#underWay.set(digest, download);
      if (!(await download)) return undefined;
      const mine = await this.#opened(digest);
      await this.#trim(digest);
      if (mine !== undefined) return streamOf(mine);
    }
  }

  /** Keeps bytes that are known to have this digest. */
  async keep(digest: string, bytes: Buffer): Promise<void> {
    if (this.#underWay.has(digest)) return;
    const kept = writeFile(this.#file(digest) + PARTIAL, bytes, { mode: 0o600 })
      .then(() => this.#publish(digest))
      .then(() => true)
      .finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, kept);
    await kept;
  }

  async #opened(digest: string): Promise<FileHandle | undefined> {
    const file = this.#file(digest);
    try {
      const now = new Date();
      await utimes(file, now, now);
      return await open(file);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  async #download(digest: string, maxBytes: number, fetch: Fetch): Promise<boolean> {
    const partial = this.#file(digest) + PARTIAL;
    // What an engine left that was killed, or a machine without power, may not be what it once wrote.
    let isOurs = (await sizeOf(partial)) === 0;
    for (;;) {
      if ((await sizeOf(partial)) > maxBytes) await rm(partial, { force: true });
      if (!(await this.#complete(digest, partial, maxBytes, fetch))) return false;
      const found = await digestOf(partial);
      if (found === digest) {
        await this.#publish(digest);
        return true;
      }
      await rm(partial, { force: true });
      if (isOurs) {
        throw new LongshoreError("INVALID_INPUT", `A registry sends ${found} for the blob ${digest}.`, {
          hint: "Try again, or push the image again.",
        });
      }
      isOurs = true;
    }
  }

  /** Downloads what is missing. Returns false when the registry has no such blob. */
  async #complete(digest: string, partial: string, maxBytes: number, fetch: Fetch): Promise<boolean> {
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
        return true;
      }
      // A 206 need not say where it begins: then it begins where it was asked to.
      const start = startOf(response) ?? from;
      if (start !== 0 && start !== from) {
        await response.body.dump();
        throw new LongshoreError("UNAVAILABLE", `A registry was asked for ${digest} from byte ${from} on, and begins at ${start}.`);
      }
      try {
        const file = createWriteStream(partial, { flags: start === 0 ? "w" : "a", mode: 0o600 });
        await pipeline(response.body, atMost(maxBytes - start, digest), file);
        return true;
      } catch (error) {
        if (error instanceof LongshoreError || isErrno(error, "ENOSPC") || isErrno(error, "EDQUOT")) {
          // Half a blob must not keep a full disk full.
          await rm(partial, { force: true });
          throw error;
        }
        stuck = (await sizeOf(partial)) > from ? 0 : stuck + 1;
        if (stuck >= ATTEMPTS_WITHOUT_PROGRESS) {
          throw new LongshoreError("UNAVAILABLE", `The download of ${digest} breaks off again and again.`, { cause: error });
        }
      }
    }
  }

  /** Under its own name a blob is whole, also after a power failure. */
  async #publish(digest: string): Promise<void> {
    const partial = this.#file(digest) + PARTIAL;
    const file = await open(partial);
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, this.#file(digest));
  }

  /** `keep` and what is being downloaded stay in any case. */
  async #trim(keep?: string): Promise<void> {
    const busy = new Set([...this.#underWay.keys(), keep].map((digest) => (digest === undefined ? "" : this.#file(digest))));
    const files = [];
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      const found = await statOf(path);
      if (found !== undefined) files.push({ path, size: found.size, mtimeMs: found.mtimeMs });
    }
    let total = 0;
    for (const { path, size } of files.sort((a, b) => b.mtimeMs - a.mtimeMs)) {
      total += size;
      const whole = path.endsWith(PARTIAL) ? path.slice(0, -PARTIAL.length) : path;
      if (total > this.#maxBytes && !busy.has(whole)) await rm(path, { force: true });
    }
  }

  #file(digest: string): string {
    return join(this.#directory, digest.slice("sha256:".length));
  }
}

function streamOf(file: FileHandle): NodeJS.ReadableStream {
  return file.createReadStream({ highWaterMark: 256 * 1024 });
}

/** Where an answer's bytes begin in the blob; `undefined` when it does not say. */
function startOf({ statusCode, headers }: Response): number | undefined {
  if (statusCode !== 206) return 0;
  const start = /^bytes (\d+)-/.exec(String(headers["content-range"]))?.[1];
  return start === undefined ? undefined : Number(start);
}

/** Lets `limit` bytes through and no more. */
function atMost(limit: number, digest: string): Transform {
  let left = limit;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left >= 0) done(null, chunk);
      else done(new LongshoreError("INVALID_INPUT", `A registry sends more bytes for ${digest} than the image says that it has.`));
    },
  });
}

function noResult(): void {
  // Whose download it is hears of it.
}

async function statOf(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function sizeOf(file: string): Promise<number> {
  return (await statOf(file))?.size ?? 0;
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
