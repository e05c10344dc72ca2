import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, type MemoryShortage } from "@longshore/contract";
import { CgroupTree } from "./cgroup.js";
import { counterIn, isGone, readIfThere, writeIfThere } from "./files.js";

const MOUNTS = "/sys/fs/cgroup";
const PERIOD_US = 100_000;
const LEAST_QUOTA_US = 1_000;

/** A hierarchy for each controller. The OCI runtime makes the cgroups in all of them. */
export class CgroupVersion1 extends CgroupTree {
  readonly version = 1;
  readonly limitsSwap = existsSync(join(MOUNTS, "memory/memory.memsw.limit_in_bytes"));
  readonly endsTogether = false;
  readonly freezes = existsSync(join(MOUNTS, "freezer"));
  protected readonly roots = mountedHierarchies();

  constructor(parent: string) {
    super(parent);
  }

  setCpuQuota(id: string, vcpu: number): void {
    writeIfThere(this.#file(id, "cpu.cfs_quota_us"), String(Math.max(LEAST_QUOTA_US, Math.round(vcpu * PERIOD_US))));
  }

  memoryShortage(id: string): MemoryShortage | undefined {
    const kills = counterIn(readIfThere(this.#file(id, "memory.oom_control")), "oom_kill");
    if (kills === 0) return undefined;
    const limitBytes = Number(readIfThere(this.#file(id, "memory.limit_in_bytes")) ?? 0);
    return { limitBytes, peakBytes: Number(readIfThere(this.#file(id, "memory.max_usage_in_bytes")) ?? limitBytes), kills };
  }

  memoryBytes(id: string): number {
    return Number(readIfThere(this.#file(id, "memory.usage_in_bytes")) ?? 0);
  }

  async reclaimMemory(id: string): Promise<void> {
    try {
      await writeFile(this.#file(id, "memory.force_empty"), "0", { flag: "r+" });
    } catch (error) {
      if (!isGone(error) && !["EAGAIN", "EBUSY", "EINTR"].some((code) => isErrno(error, code))) throw error;
    }
  }

  /** The kernel gives up on processes that were busy, and wants to be told again: see {@link isStill}. */
  setFrozen(id: string, frozen: boolean): void {
    writeIfThere(this.#file(id, "freezer.state"), frozen ? "FROZEN" : "THAWED");
  }

  isFrozen(id: string): boolean {
    return (readIfThere(this.#file(id, "freezer.state")) ?? "THAWED") !== "THAWED";
  }

  isStill(id: string): boolean {
    return readIfThere(this.#file(id, "freezer.state")) === "FROZEN";
  }

  async kill(id: string): Promise<void> {
    await this.killEach(id);
    // A process that is frozen dies when it may run again.
    if (this.isFrozen(id)) this.setFrozen(id, false);
  }

  read(controller: string, id: string, name: string): string | undefined {
    return readIfThere(join(MOUNTS, controller, this.path(id), name));
  }

  /** A file's name begins with its controller's. */
  #file(id: string, name: string): string {
    return join(MOUNTS, name.slice(0, name.indexOf(".")), this.path(id), name);
  }
}

function mountedHierarchies(): string[] {
  const controllers = readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .map((line) => line.split(":")[1] ?? "")
    .map((name) => (name === "" ? "unified" : name.replace("name=", "")));
  return [...new Set(controllers)].map((name) => join(MOUNTS, name)).filter((path) => existsSync(path));
}
