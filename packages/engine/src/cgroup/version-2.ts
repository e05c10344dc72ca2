import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, type MemoryShortage } from "@longshore/contract";
import { CgroupTree } from "./cgroup.js";
import { delegate } from "./delegation.js";
import { counterIn, isGone, readIfThere, writeIfThere } from "./files.js";

const PERIOD_US = 100_000;
const LEAST_QUOTA_US = 1_000;

/** One hierarchy for all controllers. */
export class CgroupVersion2 extends CgroupTree {
  readonly version = 2;
  readonly limitsSwap: boolean;
  readonly freezes = true;
  readonly endsTogether = true;
  protected readonly roots: readonly string[];
  readonly #root: string;

  /**
   * Makes the parent cgroup and gives it the controllers. `root` is where the hierarchy is mounted.
   * Errors: `UNAVAILABLE` when the controllers that limits need cannot be had here.
   */
  constructor(parent: string, root = "/sys/fs/cgroup") {
    super(parent);
    this.#root = root;
    this.roots = [root];
    const directory = join(root, parent);
    delegate(root, directory);
    // The kernel may be built, or booted, without counting swap.
    this.limitsSwap = existsSync(join(directory, "memory.swap.max"));
  }

  setCpuQuota(id: string, vcpu: number): void {
    writeIfThere(this.#file(id, "cpu.max"), `${Math.max(LEAST_QUOTA_US, Math.round(vcpu * PERIOD_US))} ${PERIOD_US}`);
  }

  memoryShortage(id: string): MemoryShortage | undefined {
    const kills = counterIn(readIfThere(this.#file(id, "memory.events")), "oom_kill");
    if (kills === 0) return undefined;
    const limitBytes = Number(readIfThere(this.#file(id, "memory.max")) ?? 0);
    // Counted since Linux 5.19.
    return { limitBytes, peakBytes: Number(readIfThere(this.#file(id, "memory.peak")) ?? limitBytes), kills };
  }

  memoryBytes(id: string): number {
    return Number(readIfThere(this.#file(id, "memory.current")) ?? 0);
  }

  async reclaimMemory(id: string): Promise<void> {
    // Memory that an instance does not use while it sleeps may go to swap; while it runs it has none.
    writeIfThere(this.#file(id, "memory.swap.max"), "max");
    try {
      // There since Linux 5.19. Opened without O_CREAT, which a cgroup refuses as forbidden.
      await writeFile(this.#file(id, "memory.reclaim"), String(this.memoryBytes(id)), { flag: "r+" });
    } catch (error) {
      if (!isGone(error) && !["EAGAIN", "EBUSY", "EINTR"].some((code) => isErrno(error, code))) throw error;
    } finally {
      writeIfThere(this.#file(id, "memory.swap.max"), "0");
    }
  }

  setFrozen(id: string, frozen: boolean): void {
    writeIfThere(this.#file(id, "cgroup.freeze"), frozen ? "1" : "0");
  }

  isFrozen(id: string): boolean {
    return readIfThere(this.#file(id, "cgroup.freeze")) === "1";
  }

  isStill(id: string): boolean {
    return counterIn(readIfThere(this.#file(id, "cgroup.events")), "frozen") === 1;
  }

  async kill(id: string): Promise<void> {
    // All at once, frozen ones and those being made too; there since Linux 5.14.
    if (!writeIfThere(this.#file(id, "cgroup.kill"), "1")) await this.killEach(id);
  }

  read(_controller: string, id: string, name: string): string | undefined {
    return readIfThere(this.#file(id, name));
  }

  #file(id: string, name: string): string {
    return join(this.#root, this.path(id), name);
  }
}
