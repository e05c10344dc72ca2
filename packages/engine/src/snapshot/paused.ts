import { existsSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
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
  const { cgroups } = place;
  if (cgroups.isStill(id)) return await work();
  const mark = join(place.directory, id, MARK);
  writeFileSync(mark, "");
  try {
    await freeze(cgroups, id);
    return await work();
  } finally {
    cgroups.setFrozen(id, false);
    rmSync(mark, { force: true });
  }
}

/** Lets containers go on that an engine had paused when it was killed. */
export async function resumeLeftPaused(place: PausePlace): Promise<void> {
  for (const id of await readdir(place.directory)) {
    const mark = join(place.directory, id, MARK);
    if (!existsSync(mark)) continue;
    place.cgroups.setFrozen(id, false);
    rmSync(mark, { force: true });
  }
}

async function freeze(cgroups: CgroupTree, id: string): Promise<void> {
  const deadline = Date.now() + PAUSE_DEADLINE_MS;
  for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
    // Version 1 gives up on processes that were busy, and wants to be told again.
    cgroups.setFrozen(id, true);
    if (cgroups.isStill(id)) return;
    if (Date.now() > deadline) throw new LongshoreError("UNAVAILABLE", `The container ${id} could not be paused within 5 s.`);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
