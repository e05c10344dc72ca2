import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { CgroupTree } from "../cgroup/cgroup.js";

/** In a sandbox's directory while the container is paused for a copy: the next engine lets it go on if this one is killed. */
const MARK = "paused";
const PAUSE_DEADLINE_MS = 5_000;

interface PausePlace {
  readonly cgroups: CgroupTree;
  /** The sandboxes' directory. */
  readonly directory: string;
}

/**
 * Does something while no process of a container runs. A container that is paused already (it sleeps) stays so.
 * Errors: `UNAVAILABLE` when it cannot be paused in time; it goes on then.
 */
export async function whilePaused<T>(place: PausePlace, id: string, work: () => Promise<T>): Promise<T> {
  const freezer = freezerFiles(place.cgroups, id);
  if (freezer.isFrozen()) return await work();
  const mark = join(place.directory, id, MARK);
  writeFileSync(mark, "");
  try {
    await freeze(freezer, id);
    return await work();
  } finally {
    freezer.set(false);
    rmSync(mark, { force: true });
  }
}

/** Lets containers go on that an engine had paused when it was killed. */
export async function resumeLeftPaused(place: PausePlace): Promise<void> {
  for (const id of await readdir(place.directory)) {
    const mark = join(place.directory, id, MARK);
    if (!existsSync(mark)) continue;
    freezerFiles(place.cgroups, id).set(false);
    rmSync(mark, { force: true });
  }
}

interface Freezer {
  set(frozen: boolean): void;
  isFrozen(): boolean;
}

async function freeze(freezer: Freezer, id: string): Promise<void> {
  const deadline = Date.now() + PAUSE_DEADLINE_MS;
  for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
    // Version 1 gives up on processes that were busy, and wants to be told again.
    freezer.set(true);
    if (freezer.isFrozen()) return;
    if (Date.now() > deadline) throw new LongshoreError("UNAVAILABLE", `The container ${id} could not be paused within 5 s.`);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function freezerFiles(cgroups: CgroupTree, id: string): Freezer {
  const directory = join("/sys/fs/cgroup", cgroups.version === 2 ? "" : "freezer", cgroups.path(id));
  const [control, on, off] = cgroups.version === 2 ? ["cgroup.freeze", "1", "0"] : ["freezer.state", "FROZEN", "THAWED"];
  const [state, frozen] = cgroups.version === 2 ? ["cgroup.events", /^frozen 1$/m] : ["freezer.state", /^FROZEN$/m];
  return {
    set: (wanted) => ifThere(() => writeFileSync(join(directory, control), wanted ? on : off), undefined),
    isFrozen: () => ifThere(() => frozen.test(readFileSync(join(directory, state), "utf8")), false),
  };
}

/** A container may end at any time, and its cgroup with it. */
function ifThere<T>(action: () => T, otherwise: T): T {
  try {
    return action();
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENODEV")) return otherwise;
    throw error;
  }
}
