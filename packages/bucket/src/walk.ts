import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, type ListPosition, type ObjectInfo, toLongshoreError } from "@longshore/contract";
import { OBJECT_MARK } from "./keys.js";
import { infoOf } from "./object-version.js";

interface Directory {
  readonly path: string;
  /** The part of a key that stands for it: empty, or ending in `/`. */
  readonly key: string;
}

/** Sorts behind every character of a key. */
const BEHIND_ALL = "~";

/**
 * The objects below `directory` whose key starts with `prefix` and lies behind the position, in key order. What is deleted meanwhile may or may not
 * be among them.
 */
export async function* listObjects(directory: Directory, prefix: string, position: ListPosition): AsyncGenerator<ObjectInfo> {
  for (const { name, key } of await children(directory)) {
    // A directory's key is shorter than the prefix only above where the walk began.
    if (!key.startsWith(prefix)) continue;
    if (key.endsWith("/") ? key + BEHIND_ALL <= position.after : key <= position.after) continue;
    const path = join(directory.path, name);
    if (key.endsWith("/")) {
      yield* listObjects({ path, key }, prefix, position);
    } else {
      const info = await infoIfThere(key, path);
      if (info !== undefined) yield info;
    }
  }
}

/** Files and directories in the order of the keys they stand for; `a-b` comes before `a/b`, so a directory counts with its slash. */
async function children(directory: Directory): Promise<{ name: string; key: string }[]> {
  try {
    const entries = await readdir(directory.path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() || entry.name.endsWith(OBJECT_MARK))
      .map((entry) => ({
        name: entry.name,
        key: directory.key + (entry.isDirectory() ? `${entry.name}/` : entry.name.slice(0, -OBJECT_MARK.length)),
      }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return [];
    throw toLongshoreError(error, `Listing ${directory.key} in the bucket`);
  }
}

async function infoIfThere(key: string, path: string): Promise<ObjectInfo | undefined> {
  try {
    return infoOf(key, await stat(path, { bigint: true }));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw toLongshoreError(error, `Listing ${key} in the bucket`);
  }
}
