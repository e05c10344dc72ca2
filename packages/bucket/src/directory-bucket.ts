import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, rename, rm, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { type Bucket, isErrno, LongshoreError, type ObjectInfo, type PutOptions, toLongshoreError } from "@longshore/contract";
import { DirectoryBucketReader } from "./directory-bucket-reader.js";
import { DurableTree, syncDirectory } from "./durable-tree.js";
import { KeyLocks } from "./key-locks.js";
import { objectPath } from "./keys.js";
import { infoOf, VersionClock } from "./object-version.js";
import { TemporaryFiles } from "./temporary-files.js";

/**
 * A bucket in a directory: `objects/` holds a file per object, `temporary/` what is being written.
 *
 * An object appears by rename or link of a finished, synced file, so a crash at any moment leaves the old or the new, never half. Conditions of
 * `put` hold among all callers in this process. Among processes `ifNoneMatch` still does, but `ifMatch` does not: one process writes the heads.
 */
export class DirectoryBucket extends DirectoryBucketReader implements Bucket {
  readonly #objects: string;
  readonly #tree: DurableTree;
  readonly #temporary: TemporaryFiles;
  readonly #locks = new KeyLocks();
  readonly #clock = new VersionClock();

  private constructor(root: string, objects: string, temporary: TemporaryFiles) {
    super(root);
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
      return new DirectoryBucket(root, objects, temporary);
    } catch (error) {
      throw toLongshoreError(error, `Opening the bucket in ${root}`);
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

  async delete(key: string, { ifMatch }: { readonly ifMatch?: string } = {}): Promise<void> {
    const target = objectPath(this.#objects, key);
    const directory = dirname(target);
    try {
      await this.#locks.run(key, async () => {
        if (ifMatch !== undefined && (await this.head(key)) !== undefined) await this.#mustMatch(key, ifMatch);
        await unlink(target);
        await syncDirectory(directory);
      });
      await this.#tree.prune(directory);
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return;
      throw toLongshoreError(error, `Deleting ${key} from the bucket`);
    }
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
