import { readdir, stat } from "node:fs/promises";
import { isErrno } from "@longshore/contract";
import { OBJECT_MARK } from "./keys.js";

/** Smaller directories are read as quickly as they are remembered. */
const WORTH_KEEPING = 1_000;
/** Names that are remembered, in all directories together. */
const MOST_NAMES = 200_000;
/** The kernel's times advance in steps: a change in the same step as the last one that is seen would not show. */
const SETTLED_MS = 100;

/**
 * What is in a directory, as the ends of keys in their order: objects by their names, directories with a `/` behind, since `a-b` comes before `a/b`.
 * Large directories are remembered while their times say that nothing has come or gone, so that going through one by pages does not sort it each time.
 */
export class SortedNames {
  readonly #kept = new Map<string, { readonly time: bigint; readonly names: readonly string[] }>();
  #total = 0;

  /** Empty for a directory that is not there. */
  async of(path: string): Promise<readonly string[]> {
    const known = this.#kept.get(path);
    try {
      if (known !== undefined && (await timeOf(path)) === known.time) return known.names;
      const time = await timeOf(path);
      const settled = Number(time / 1_000_000n) + SETTLED_MS < Date.now();
      const names = sorted(await readdir(path, { withFileTypes: true }));
      this.#forget(path);
      if (settled && names.length >= WORTH_KEEPING) this.#keep(path, time, names);
      return names;
    } catch (error) {
      this.#forget(path);
      if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return [];
      throw error;
    }
  }

  #keep(path: string, time: bigint, names: readonly string[]): void {
    if (names.length > MOST_NAMES) return;
    this.#kept.set(path, { time, names });
    this.#total += names.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#total <= MOST_NAMES) break;
      this.#forget(oldest);
    }
  }

  #forget(path: string): void {
    this.#total -= this.#kept.get(path)?.names.length ?? 0;
    this.#kept.delete(path);
  }
}

/** When an entry of the directory last came, went or was replaced. */
async function timeOf(path: string): Promise<bigint> {
  return (await stat(path, { bigint: true })).mtimeNs;
}

function sorted(entries: readonly { readonly name: string; isDirectory(): boolean }[]): string[] {
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory()) names.push(`${entry.name}/`);
    else if (entry.name.endsWith(OBJECT_MARK)) names.push(entry.name.slice(0, -OBJECT_MARK.length));
  }
  // ASCII alone: the default order is that of bytes.
  return names.sort();
}

/** The first place in sorted `names` whose name is behind `text`, or is it. */
export function placeOf(names: readonly string[], text: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? "") < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
