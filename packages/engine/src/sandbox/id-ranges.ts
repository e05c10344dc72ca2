import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { mountOverlay, unmount } from "../sys/libc.js";
import { bindWithIds, idMapping, rootIdsOf } from "../sys/user-namespace.js";

/** The ids that systemd's list of uses leaves free. */
const FIRST = 0x7000_0000;
const RANGES = 4_093;
export const IDS_PER_RANGE = 65_536;

/** A sandbox's own ids: those from 0 in it are the host's from `base`. */
export interface IdRange {
  readonly base: number;
  readonly size: number;
  /** An open user namespace, for mounts (sys/user-namespace.ts). */
  readonly mapping: number;
}

/**
 * Which sandbox has which ids of the host. No two sandboxes of an engine that live at the same time share any, and none is a user of the host: who
 * breaks out of one is nobody. Files keep the container's own ids on the disk, and are translated where they are mounted: so images, snapshots and
 * disks are the same with user namespaces and without.
 */
export class IdRanges {
  readonly #first: number;
  /** The numbers of the ranges, which lie side by side. */
  readonly #bySandbox = new Map<string, readonly number[]>();
  /** Made once for each range, and used again. */
  readonly #mappings = new Map<string, Promise<number>>();

  /** Two engines on a machine start at different ranges, as their `seed`s differ, so that they hardly ever share one. */
  constructor(seed: number) {
    this.#first = seed % RANGES;
  }

  /** Takes ids for a sandbox. The first time that they are used costs some milliseconds. Errors: `UNAVAILABLE`, `LIMIT_REACHED`. */
  async take(sandbox: string, ranges = 1): Promise<IdRange> {
    const taken = new Set([...this.#bySandbox.values()].flat());
    for (let step = 0; step < RANGES; step++) {
      const first = (this.#first + step) % RANGES;
      const numbers = Array.from({ length: ranges }, (_, index) => first + index);
      if (first + ranges > RANGES || numbers.some((number) => taken.has(number))) continue;
      this.#bySandbox.set(sandbox, numbers);
      return { base: baseOf(first), size: ranges * IDS_PER_RANGE, mapping: await this.#mapping(first, ranges) };
    }
    throw new LongshoreError("LIMIT_REACHED", `All ${RANGES} ranges of user ids are taken.`);
  }

  /** Takes back the range of a sandbox that was there before this engine. */
  claim(sandbox: string, pid: number): void {
    const { base, size } = rootIdsOf(pid);
    const first = (base - FIRST) / IDS_PER_RANGE;
    if (!Number.isInteger(first) || first < 0) return;
    this.#bySandbox.set(
      sandbox,
      Array.from({ length: Math.ceil(size / IDS_PER_RANGE) }, (_, index) => first + index),
    );
  }

  /** Call when no process of the sandbox is left. */
  release(sandbox: string): void {
    this.#bySandbox.delete(sandbox);
  }

  /** Does in `directory` what a sandbox needs. Rejects with what this machine cannot do. */
  async probe(directory: string): Promise<void> {
    const mapping = await this.#mapping(this.#first, 1);
    const place = mkdtempSync(join(directory, "ids."));
    const [mapped, root] = [join(place, "mapped"), join(place, "root")];
    for (const path of ["mapped", "mapped/lower", "mapped/upper", "mapped/work", "root"]) mkdirSync(join(place, path));
    try {
      bindWithIds(mapped, mapped, mapping);
      mountOverlay(root, `lowerdir=${mapped}/lower,upperdir=${mapped}/upper,workdir=${mapped}/work`);
      // A kernel that cannot write there mounts it all the same, read-only.
      writeFileSync(join(root, "file"), "");
    } finally {
      unmount(root);
      unmount(mapped);
      rmSync(place, { recursive: true });
    }
  }

  async #mapping(first: number, ranges: number): Promise<number> {
    const key = `${first}+${ranges}`;
    const existing = this.#mappings.get(key);
    if (existing !== undefined) return await existing;
    const making = idMapping(baseOf(first), ranges * IDS_PER_RANGE);
    this.#mappings.set(key, making);
    making.catch(() => this.#mappings.delete(key));
    return await making;
  }
}

function baseOf(number: number): number {
  return FIRST + number * IDS_PER_RANGE;
}
