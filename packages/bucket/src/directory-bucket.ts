import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, rename, rm, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import {
  type Bucket,
  type BucketObject,
  isErrno,
  LongshoreError,
  type ObjectInfo,
  type PutOptions,
  toLongshoreError,
} from "@longshore/contract";
import { DurableTree, syncDirectory } from "./durable-tree.js";
import { KeyLocks } from "./key-locks.js";
import { objectPath, prefixDirectory } from "./keys.js";
import { infoOf, VersionClock } from "./object-version.js";
import { TemporaryFiles } from "./temporary-files.js";
import { listObjects } from "./walk.js";

/** Read in pieces of this many bytes: layers are large, and 64 KiB costs a third of the throughput. */
const READ_CHUNK = 256 * 1024;

/**
 * A bucket in a directory: `objects/` holds a file per object, `temporary/` what is being written.
 *
 * An object appears by rename or link of a finished, synced file, so a crash at any moment leaves the old or the new, never half. Conditions of
 * `put` hold among all callers in this process. Among processes `ifNoneMatch` still does, but `ifMatch` does not: one process writes the heads.
 */
export class DirectoryBucket implements Bucket {
  readonly #objects: string;
  readonly #tree: DurableTree;
  readonly #temporary: TemporaryFiles;
  readonly #locks = new KeyLocks();
  readonly #clock = new VersionClock();

  private constructor(objects: string, temporary: TemporaryFiles) {
    this.#objects = objects;
    this.#tree = new DurableTree(objects);
    this.#temporary = temporary;
  }

  /** Opens the bucket in `directory`, creating it if need be, and removes what a killed process had not finished. */
  static async open(directory: string): Promise<DirectoryBucket> {
    const root = resolve(directory);
    try {
      const objects = join(root, "objects");
      const first = await mkdir(objects, { recursive: true, mode: 0o700 });
      const temporary = await TemporaryFiles.open(join(root, "temporary"));
      for (let made = objects; first !== undefined && made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
      return new DirectoryBucket(objects, temporary);
    } catch (error) {
      throw toLongshoreError(error, `Opening the bucket in ${root}`);
    }
  }

  async get(key: string, range?: { start: number; end?: number }): Promise<BucketObject | undefined> {
    const path = objectPath(this.#objects, key);
    const handle = await openExisting(path, key);
    if (handle === undefined) return undefined;
    try {
      const info = infoOf(key, await handle.stat({ bigint: true }));
      const { start, end } = checkedRange(info, range);
      return { ...info, body: handle.createReadStream({ start, end, highWaterMark: READ_CHUNK }) };
    } catch (error) {
      await handle.close();
      throw toLongshoreError(error, `Reading ${key} from the bucket`);
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    try {
      return infoOf(key, await stat(objectPath(this.#objects, key), { bigint: true }));
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return undefined;
      throw toLongshoreError(error, `Looking for ${key} in the bucket`);
    }
  }

  async put(key: string, body: string | Uint8Array | Readable, options: PutOptions = {}): Promise<ObjectInfo> {
    const target = objectPath(this.#objects, key);
    try {
      const { path, handle } = await this.#temporary.create();
      try {
        await writeFile(handle, body);
        return await this.#commit(key, target, { path, handle }, options);
      } finally {
        await handle.close();
        await rm(path, { force: true });
      }
    } catch (error) {
      throw toLongshoreError(error, `Writing ${key} to the bucket`);
    }
  }

  async putFile(key: string, path: string, options: PutOptions = {}): Promise<ObjectInfo> {
    const target = objectPath(this.#objects, key);
    try {
      const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
      try {
        const { dev } = await handle.stat();
        if (dev !== (await stat(this.#objects)).dev) {
          const info = await this.put(key, handle.createReadStream({ autoClose: false, start: 0 }), options);
          await unlink(path);
          return info;
        }
        return await this.#commit(key, target, { path, handle }, options);
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw toLongshoreError(error, `Moving ${path} into the bucket as ${key}`);
    }
  }

  async delete(key: string): Promise<void> {
    const target = objectPath(this.#objects, key);
    const directory = dirname(target);
    try {
      await this.#locks.run(key, async () => {
        await unlink(target);
        await syncDirectory(directory);
      });
      await this.#tree.prune(directory);
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return;
      throw toLongshoreError(error, `Deleting ${key} from the bucket`);
    }
  }

  list(prefix: string): AsyncIterable<ObjectInfo> {
    return listObjects(prefixDirectory(this.#objects, prefix), prefix);
  }

  /** Gives the finished `file` its name in the bucket, if the conditions hold, and makes all of it durable. */
  async #commit(key: string, target: string, file: { path: string; handle: FileHandle }, options: PutOptions): Promise<ObjectInfo> {
    const version = this.#clock.next();
    await file.handle.utimes(version, version);
    await file.handle.sync();
    const info = infoOf(key, await file.handle.stat({ bigint: true }));
    await this.#locks.run(key, async () => {
      if (options.ifMatch !== undefined) await this.#mustMatch(key, options.ifMatch);
      await this.#tree.change(dirname(target), () =>
        options.ifNoneMatch === "*" ? linkNew(key, file.path, target) : rename(file.path, target),
      );
    });
    return info;
  }

  async #mustMatch(key: string, etag: string): Promise<void> {
    const now = await this.head(key);
    if (now?.etag === etag) return;
    const state = now === undefined ? "does not exist" : "was changed by someone else";
    throw new LongshoreError("CONFLICT", `The object ${key} ${state}.`, { hint: "Read it again and repeat the change." });
  }
}

/** link(2) refuses to replace, in one step; rename(2) would not. */
async function linkNew(key: string, from: string, target: string): Promise<void> {
  try {
    await link(from, target);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    throw new LongshoreError("CONFLICT", `The object ${key} exists already.`, { cause: error, hint: "Read it, then change that version." });
  }
  await unlink(from);
}

async function openExisting(path: string, key: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return undefined;
    throw toLongshoreError(error, `Reading ${key} from the bucket`);
  }
}

function checkedRange(info: ObjectInfo, range: { start: number; end?: number } | undefined): { start: number; end: number } {
  if (range === undefined) return { start: 0, end: Number.POSITIVE_INFINITY };
  const end = Math.min(range.end ?? Number.POSITIVE_INFINITY, info.size - 1);
  if (range.start < 0 || range.start > end) {
    throw new LongshoreError(
      "INVALID_INPUT",
      `The object ${info.key} has ${info.size} bytes, none of them in ${range.start}-${range.end ?? ""}.`,
      {
        hint: "Ask for a range that begins inside the object.",
      },
    );
  }
  return { start: range.start, end };
}
