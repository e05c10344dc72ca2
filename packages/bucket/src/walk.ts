import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, type ListPosition, type ObjectInfo, toLongshoreError } from "@longshore/contract";
import { OBJECT_MARK } from "./keys.js";
import { infoOf } from "./object-version.js";
import { placeOf, type SortedNames } from "./sorted-names.js";

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
export async function* listObjects(
  directory: Directory,
  prefix: string,
  position: ListPosition,
  sorted: SortedNames,
): AsyncGenerator<ObjectInfo> {
  const names = await namesIn(directory, sorted);
  // A directory's key is shorter than the prefix only above where the walk began.
  const start = prefix.startsWith(directory.key) ? prefix.slice(directory.key.length) : "";
  for (let at = firstPlace(names, directory.key, start, position.after); at < names.length; at++) {
    const name = names[at] ?? "";
    if (!name.startsWith(start)) break;
    const key = directory.key + name;
    if (key.endsWith("/") ? key + BEHIND_ALL <= position.after : key <= position.after) continue;
    if (key.endsWith("/")) {
      yield* listObjects({ path: join(directory.path, name), key }, prefix, position, sorted);
    } else {
      const info = await infoIfThere(key, join(directory.path, name + OBJECT_MARK));
      if (info !== undefined) yield info;
    }
  }
}

/** Where to begin: at the prefix, or at the position, which may be below the directory before. */
function firstPlace(names: readonly string[], key: string, start: string, after: string): number {
  const from = placeOf(names, start);
  if (!after.startsWith(key)) return from;
  return Math.max(from, placeOf(names, after.slice(key.length)) - 1);
}

async function namesIn(directory: Directory, sorted: SortedNames): Promise<readonly string[]> {
  try {
    return await sorted.of(directory.path);
  } catch (error) {
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
