import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, type MemoryShortage } from "@longshore/contract";
import { isGone, processesBelow, removeTree } from "./files.js";

/**
 * The cgroups of an installation's containers: `<parent>/<instance id>`, where `parent` is unique for the installation, so that a sweep finds its
 * own and nothing else. What the kernel's two versions do differently is in version-1.ts and version-2.ts; `openCgroups` (open.ts) chooses.
 *
 * A container may end at any time, and its cgroup with it: every call is fine with one that is gone.
 */
export abstract class CgroupTree {
  abstract readonly version: 1 | 2;
  /** True when the kernel can limit memory and swap together; asking for it elsewhere makes the runtime fail. */
  abstract readonly limitsSwap: boolean;
  /** True when the kernel can freeze containers. */
  abstract readonly freezes: boolean;
  /** True when the kernel can end all processes of a container together when its memory runs out. */
  abstract readonly endsTogether: boolean;

  readonly #parent: string;

  protected constructor(parent: string) {
    this.#parent = parent;
  }

  /** Limits CPU time to `vcpu` cores. */
  abstract setCpuQuota(id: string, vcpu: number): void;

  /** What is known of a container whose memory ran out; `undefined` when it never did. */
  abstract memoryShortage(id: string): MemoryShortage | undefined;

  /** A file of a container's cgroup, in version 1 below its controller's; `undefined` when it is not there. */
  abstract read(controller: string, id: string, name: string): string | undefined;

  /** Bytes of memory that a container is charged for, cached files included; 0 when it is gone. */
  abstract memoryBytes(id: string): number;

  /**
   * Asks the kernel to take back as much of a container's memory as it can: cached files always, the rest where the host has swap. The kernel may
   * stop before it is done, which is fine. May take seconds.
   */
  abstract reclaimMemory(id: string): Promise<void>;

  /** Stops every process of a container from running, or lets them go on. Takes a tenth of a millisecond. */
  abstract setFrozen(id: string, frozen: boolean): void;

  /** True when a container is frozen, or is about to be. */
  abstract isFrozen(id: string): boolean;

  /** True when a container is frozen, down to its last process. */
  abstract isStill(id: string): boolean;

  /** Kills every process of a container, frozen ones included. Those that are made meanwhile may be missed: look again, with {@link processes}. */
  abstract kill(id: string): Promise<void>;

  /** Where the hierarchies are mounted: one directory, or one for each controller. */
  protected abstract readonly roots: readonly string[];

  /** The path that goes into an OCI configuration. */
  path(id: string): string {
    return `/${this.#parent}/${id}`;
  }

  /** Ids of all containers that have a cgroup. */
  async ids(): Promise<string[]> {
    const found = new Set<string>();
    for (const root of this.roots) {
      const entries = await readdir(join(root, this.#parent), { withFileTypes: true }).catch((error: unknown): Dirent[] => {
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
    for (const root of this.roots) await processesBelow(join(root, this.path(id)), found);
    return [...found];
  }

  /** Removes an empty cgroup from every hierarchy. Throws `EBUSY` while processes are in it. */
  async remove(id: string): Promise<void> {
    for (const root of this.roots) await removeTree(join(root, this.path(id)));
  }

  /** Removes the installation's parent cgroup; call when no container is left. */
  async removeParent(): Promise<void> {
    for (const root of this.roots) await removeTree(join(root, this.#parent));
  }

  /** Sends SIGKILL to each process that a container has now. */
  protected async killEach(id: string): Promise<void> {
    for (const pid of await this.processes(id)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
  }
}
