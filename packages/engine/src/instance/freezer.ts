import { LongshoreError } from "@longshore/contract";
import type { CgroupTree } from "../cgroup/cgroup.js";
import type { Instance } from "./instance.js";

/**
 * A container that has slept for so long gives back what memory it can: one that is asked again soon finds its files still cached.
 */
const RECLAIM_AFTER_MS = 60_000;

/**
 * Sleep with the memory kept (docs/adr/freeze.md): freezes instances and takes their memory back. An instance wakes by itself,
 * {@link Instance.wake}.
 */
export class Freezer {
  readonly #cgroups: CgroupTree;
  readonly #reclaimAfterMs: number;
  readonly #failed: (error: unknown) => void;

  constructor(cgroups: CgroupTree, failed: (error: unknown) => void, reclaimAfterMs = RECLAIM_AFTER_MS) {
    this.#cgroups = cgroups;
    this.#failed = failed;
    this.#reclaimAfterMs = reclaimAfterMs;
  }

  /** With `reclaim` memory is taken back now, and waited for; otherwise later. Errors: `CONFLICT`, `UNSUPPORTED`. */
  async freeze(instance: Instance, reclaim = false): Promise<void> {
    if (!this.#cgroups.freezes) {
      throw new LongshoreError("UNSUPPORTED", "This host cannot freeze containers: its kernel has no cgroup freezer.", {
        hint: "Let instances stop when they sleep.",
      });
    }
    if (instance.status !== "frozen") instance.freeze();
    if (reclaim) await this.#cgroups.reclaimMemory(instance.record.id);
    else this.reclaimLater(instance);
  }

  /** Takes back memory of an instance that stays frozen. */
  reclaimLater(instance: Instance): void {
    const timer = setTimeout(() => {
      if (instance.status === "frozen") this.#cgroups.reclaimMemory(instance.record.id).catch(this.#failed);
    }, this.#reclaimAfterMs);
    timer.unref();
    void instance.exited.then(() => clearTimeout(timer));
  }
}
