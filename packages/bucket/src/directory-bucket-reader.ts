import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type Bucket,
  type BucketObject,
  type ByteRange,
  isErrno,
  type ListPosition,
  LongshoreError,
  type ObjectInfo,
  toLongshoreError,
} from "@longshore/contract";
import { objectPath, prefixDirectory } from "./keys.js";
import { infoOf } from "./object-version.js";
import { SortedNames } from "./sorted-names.js";
import { listObjects } from "./walk.js";

/** Read in pieces of this many bytes: layers are large, and 64 KiB costs a third of the throughput. */
const READ_CHUNK = 256 * 1024;

/**
 * The bucket in a directory as another process may read it: nothing is created or swept, so it does not matter who starts first, or as whom.
 * A directory that is not there yet is an empty bucket. The reader may be root and the writer not: nothing but a file of the bucket's own is ever read.
 */
export class DirectoryBucketReader implements Pick<Bucket, "get" | "head" | "list"> {
  readonly #root: string;
  readonly #sorted = new SortedNames();

  constructor(directory: string) {
    this.#root = join(resolve(directory), "objects");
  }

  async get(key: string, range?: ByteRange): Promise<BucketObject | undefined> {
    const path = objectPath(this.#root, key);
    const handle = await openExisting(path, key);
    if (handle === undefined) return undefined;
    try {
      const status = await handle.stat({ bigint: true });
      if (!status.isFile()) throw new LongshoreError("INTERNAL", `The object ${key} of the bucket is no file.`);
      const info = infoOf(key, status);
      const { start, end } = checkedRange(info, range);
      return { ...info, body: handle.createReadStream({ start, end, highWaterMark: READ_CHUNK }) };
    } catch (error) {
      await handle.close();
      throw toLongshoreError(error, `Reading ${key} from the bucket`);
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    try {
      return infoOf(key, await lstat(objectPath(this.#root, key), { bigint: true }));
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return undefined;
      throw toLongshoreError(error, `Looking for ${key} in the bucket`);
    }
  }

  list(prefix: string, position: ListPosition = { after: "" }): AsyncIterable<ObjectInfo> {
    return listObjects(prefixDirectory(this.#root, prefix), prefix, position, this.#sorted);
  }
}

/** Objects are never links, and opening what is not a file must not wait for somebody to write to it. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function openExisting(path: string, key: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, READ);
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return undefined;
    throw toLongshoreError(error, `Reading ${key} from the bucket`);
  }
}

function checkedRange(info: ObjectInfo, range: ByteRange | undefined): { start: number; end: number } {
  if (range === undefined) return { start: 0, end: Number.POSITIVE_INFINITY };
  // With an end, so that the end of the file is not looked for. An empty file has none.
  if ("suffix" in range)
    return { start: Math.max(0, info.size - range.suffix), end: info.size === 0 ? Number.POSITIVE_INFINITY : info.size - 1 };
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
