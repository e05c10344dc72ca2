import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { mountOverlay, unmount } from "../sys/libc.js";
import { bindWithIds, IDS_PER_CONTAINER, idMapping, rootIdOf } from "../sys/user-namespace.js";

/** The ids that systemd's list of uses leaves free. */
const FIRST = 0x7000_0000;
const RANGES = 4_093;

/** A sandbox's own ids: those from 0 in it are the host's from `base`. */
export interface IdRange {
  readonly base: number;
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
  readonly #bySandbox = new Map<string, number>();
  /** Made once for each range, and used again. */
  readonly #mappings = new Map<number, Promise<number>>();

  /** Two engines on a machine start at different ranges, as their `seed`s differ, so that they hardly ever share one. */
  constructor(seed: number) {
    this.#first = seed % RANGES;
  }

  /** Takes a range for a sandbox. The first time that a range is used costs some milliseconds. Errors: `UNAVAILABLE`, `LIMIT_REACHED`. */
  async take(sandbox: string): Promise<IdRange> {
    const taken = new Set(this.#bySandbox.values());
    for (let step = 0; step < RANGES; step++) {
      const number = (this.#first + step) % RANGES;
      if (taken.has(number)) continue;
      this.#bySandbox.set(sandbox, number);
      return { base: baseOf(number), mapping: await this.#mapping(number) };
    }
    throw new LongshoreError("LIMIT_REACHED", `All ${RANGES} ranges of user ids are taken.`);
  }

  /** Takes back the range of a sandbox that was there before this engine. */
  claim(sandbox: string, pid: number): void {
    const number = (rootIdOf(pid) - FIRST) / IDS_PER_CONTAINER;
    if (Number.isInteger(number) && number >= 0) this.#bySandbox.set(sandbox, number);
  }

  /** Call when no process of the sandbox is left. */
  release(sandbox: string): void {
    this.#bySandbox.delete(sandbox);
  }

  /** Does in `directory` what a sandbox needs. Rejects with what this machine cannot do. */
  async probe(directory: string): Promise<void> {
    const mapping = await this.#mapping(this.#first);
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

  async #mapping(number: number): Promise<number> {
    const existing = this.#mappings.get(number);
    if (existing !== undefined) return await existing;
    const making = idMapping(baseOf(number));
    this.#mappings.set(number, making);
    making.catch(() => this.#mappings.delete(number));
    return await making;
  }
}

function baseOf(number: number): number {
  return FIRST + number * IDS_PER_CONTAINER;
}
