import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, type MemoryShortage } from "@longshore/contract";

/**
 * The one place that knows which cgroup version the host has. Version 1 has a directory per controller, version 2 a single tree.
 * Containers live in `<parent>/<instance id>`; `parent` is unique for each installation, so that a sweep finds its own and nothing else.
 */
export class CgroupTree {
  readonly version: 1 | 2;
  readonly #parent: string;

  private constructor(version: 1 | 2, parent: string) {
    this.version = version;
    this.#parent = parent;
  }

  /** `parent` is one path segment, for example `longshore-1a2b3c4d`. */
  static detect(parent: string): CgroupTree {
    return new CgroupTree(existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1, parent);
  }

  /** The path that goes into an OCI configuration. */
  path(id: string): string {
    return `/${this.#parent}/${id}`;
  }

  /** True when the kernel can limit memory and swap together; asking for it elsewhere makes the runtime fail. */
  get limitsSwap(): boolean {
    return this.version === 2 ? existsSync("/proc/swaps") : existsSync("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
  }

  /** Limits CPU time to `vcpu` cores. A cgroup that is gone is fine: its container has just ended. */
  setCpuQuota(id: string, vcpu: number): void {
    const period = 100_000;
    const quota = Math.max(1_000, Math.round(vcpu * period));
    try {
      if (this.version === 2) writeFileSync(this.#file("cpu", id, "cpu.max"), `${quota} ${period}`);
      else writeFileSync(this.#file("cpu", id, "cpu.cfs_quota_us"), String(quota));
    } catch (error) {
      if (!isErrno(error, "ENOENT") && !isErrno(error, "ENODEV")) throw error;
    }
  }

  /** What is known of a container whose memory ran out; `undefined` when it never did, or its cgroup is gone. */
  memoryShortage(id: string): MemoryShortage | undefined {
    const two = this.version === 2;
    const kills = Number(/^oom_kill (\d+)$/m.exec(this.#read("memory", id, two ? "memory.events" : "memory.oom_control") ?? "")?.[1] ?? 0);
    if (kills === 0) return undefined;
    const limitBytes = Number(this.#read("memory", id, two ? "memory.max" : "memory.limit_in_bytes") ?? 0);
    // The second version counts the peak since Linux 5.19.
    const peak = this.#read("memory", id, two ? "memory.peak" : "memory.max_usage_in_bytes");
    return { limitBytes, peakBytes: peak === undefined ? limitBytes : Number(peak), kills };
  }

  /** True when the kernel can freeze containers. */
  get freezes(): boolean {
    return this.version === 2 || existsSync("/sys/fs/cgroup/freezer");
  }

  /** Stops every process of a container from running, or lets them go on. A cgroup that is gone is fine. Takes a tenth of a millisecond. */
  setFrozen(id: string, frozen: boolean): void {
    try {
      if (this.version === 2) writeFileSync(this.#file("freezer", id, "cgroup.freeze"), frozen ? "1" : "0");
      else writeFileSync(this.#file("freezer", id, "freezer.state"), frozen ? "FROZEN" : "THAWED");
    } catch (error) {
      if (!isErrno(error, "ENOENT") && !isErrno(error, "ENODEV")) throw error;
    }
  }

  /** True when a container is frozen, or is about to be. */
  isFrozen(id: string): boolean {
    const file = this.#file("freezer", id, this.version === 2 ? "cgroup.freeze" : "freezer.state");
    try {
      const state = readFileSync(file, "utf8").trim();
      return state !== "0" && state !== "THAWED";
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENODEV")) return false;
      throw error;
    }
  }

  /**
   * Asks the kernel to take back as much of a container's memory as it can: cached files always, the rest where the host has swap. The kernel may
   * stop before it is done, which is fine. May take seconds.
   */
  async reclaimMemory(id: string): Promise<void> {
    try {
      if (this.version === 1) {
        await writeFile(this.#file("memory", id, "memory.force_empty"), "0");
        return;
      }
      // Memory that an instance does not use while it sleeps may go to swap; while it runs it has none.
      await writeFile(this.#file("memory", id, "memory.swap.max"), "max");
      await writeFile(
        this.#file("memory", id, "memory.reclaim"),
        (await readFile(this.#file("memory", id, "memory.current"), "utf8")).trim(),
      );
    } catch (error) {
      if (!["ENOENT", "ENODEV", "EAGAIN", "EBUSY", "EINTR"].some((code) => isErrno(error, code))) throw error;
    } finally {
      if (this.version === 2) await this.#forbidSwap(id);
    }
  }

  /** Bytes of memory that a container is charged for, cached files included; 0 when the cgroup is gone. */
  memoryBytes(id: string): number {
    try {
      return Number(readFileSync(this.#file("memory", id, this.version === 2 ? "memory.current" : "memory.usage_in_bytes"), "utf8"));
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENODEV")) return 0;
      throw error;
    }
  }

  /** Ids of all containers that have a cgroup. */
  async ids(): Promise<string[]> {
    const found = new Set<string>();
    for (const root of this.#roots()) {
      const entries = await readdir(join(root, this.#parent), { withFileTypes: true }).catch((error: unknown) => {
        if (isErrno(error, "ENOENT")) return [];
        throw error;
      });
      for (const entry of entries) if (entry.isDirectory()) found.add(entry.name);
    }
    return [...found];
  }

  /** Processes in a container's cgroup, those in cgroups below it included. */
  async processes(id: string): Promise<number[]> {
    const found = new Set<number>();
    for (const root of this.#roots()) await collectProcesses(join(root, this.#parent, id), found);
    return [...found];
  }

  /** Removes an empty cgroup from every hierarchy. Throws `EBUSY` while processes are in it. */
  async remove(id: string): Promise<void> {
    for (const root of this.#roots()) await removeTree(join(root, this.#parent, id));
  }

  /** Removes the installation's parent cgroup; call when no container is left. */
  async removeParent(): Promise<void> {
    for (const root of this.#roots()) await removeTree(join(root, this.#parent));
  }

  async #forbidSwap(id: string): Promise<void> {
    try {
      await writeFile(this.#file("memory", id, "memory.swap.max"), "0");
    } catch (error) {
      if (!isErrno(error, "ENOENT") && !isErrno(error, "ENODEV")) throw error;
    }
  }

  /** A file's content; `undefined` when it, or its cgroup, is not there. */
  #read(controller: string, id: string, name: string): string | undefined {
    try {
      return readFileSync(this.#file(controller, id, name), "utf8").trim();
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENODEV")) return undefined;
      throw error;
    }
  }

  #roots(): string[] {
    if (this.version === 2) return ["/sys/fs/cgroup"];
    const controllers = readFileSync("/proc/self/cgroup", "utf8")
      .split("\n")
      .map((line) => line.split(":")[1] ?? "")
      .map((name) => (name === "" ? "unified" : name.replace("name=", "")));
    return [...new Set(controllers)].map((name) => `/sys/fs/cgroup/${name}`).filter((path) => existsSync(path));
  }

  #file(controller: string, id: string, name: string): string {
    return this.version === 2 ? join("/sys/fs/cgroup", this.#parent, id, name) : join("/sys/fs/cgroup", controller, this.#parent, id, name);
  }
}

async function collectProcesses(directory: string, into: Set<number>): Promise<void> {
  try {
    for (const line of (await readFile(join(directory, "cgroup.procs"), "utf8")).split("\n")) if (line !== "") into.add(Number(line));
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) await collectProcesses(join(directory, entry.name), into);
    }
  } catch (error) {
    if (!isErrno(error, "ENOENT") && !isErrno(error, "ENODEV") && !isErrno(error, "ENOTSUP")) throw error;
  }
}

async function removeTree(directory: string): Promise<void> {
  try {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) await removeTree(join(directory, entry.name));
    }
    await rmdir(directory);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
