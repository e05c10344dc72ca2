import { execFile } from "node:child_process";
import { mkdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { LongshoreError } from "@longshore/contract";
import { bindWithIds } from "../sys/user-namespace.js";
import { hasLoopDevices } from "./loop.js";
import { mountImage } from "./mount-image.js";
import { type DiskTemplate, makeTemplate, writeImage } from "./template.js";

/** Every instance's disk is mounted, or is, this directory of its sandbox; it holds `upper` and `work` for the overlay. */
const MOUNTED = "disk";
/** The file system behind it, when it has a size of its own. */
export const IMAGE = "disk.img";
/** Below this much free space nothing new is made: what runs keeps it for its writes. */
export const HOST_RESERVE_BYTES = 512 * 1024 * 1024;

/**
 * The writable layers of a host's containers: each a file system of its own with the size that the instance type promises, so that a full one is
 * `ENOSPC` for its container and nobody else, and `df` in it is right. Files take host space only for what is written to them.
 * Where the host cannot do that, containers share the host's disk without a limit and {@link Disks.unlimitedBecause} says why.
 */
export class Disks {
  /** Why disks have no limit; `undefined` when they have. */
  readonly unlimitedBecause: string | undefined;
  readonly #scratch: string;
  readonly #templates = new Map<number, Promise<DiskTemplate>>();

  private constructor(scratch: string, unlimitedBecause: string | undefined) {
    this.#scratch = scratch;
    this.unlimitedBecause = unlimitedBecause;
  }

  /** Finds out what the host can do. `scratch` is a directory for files that are needed for a moment. Needs the engine's mount namespace. */
  static async detect(scratch: string): Promise<Disks> {
    const missing = await missingForDisks();
    if (missing !== undefined) return new Disks(scratch, missing);
    const disks = new Disks(scratch, undefined);
    try {
      await disks.#template(PROBE_MB);
      return disks;
    } catch (error) {
      return new Disks(scratch, error instanceof Error ? error.message : String(error));
    }
  }

  /** Disks without a limit, whatever the host can do. */
  static unlimited(reason: string): Disks {
    return new Disks("", reason);
  }

  /**
   * Makes an empty disk of `diskMb` (10^6 bytes) for the sandbox in `directory`, and mounts it for this process at {@link diskDirectory} of
   * `mountsDirectory`, which may be another name of the same; `mapping` as in {@link mountImage}.
   * Errors: `NO_SPACE` when the host's own disk is nearly full.
   */
  async attach(directory: string, diskMb: number, mountsDirectory = directory, mapping?: number): Promise<void> {
    await requireSpace(directory);
    const mounted = join(directory, MOUNTED);
    await mkdir(mounted);
    if (this.unlimitedBecause !== undefined) {
      await Promise.all([mkdir(join(mounted, "upper"), { mode: 0o755 }), mkdir(join(mounted, "work"))]);
      const shown = diskDirectory(mountsDirectory);
      if (mapping !== undefined) bindWithIds(shown, shown, mapping);
      return;
    }
    const template = await this.#template(Math.max(Math.ceil(diskMb), LEAST_MB));
    await writeImage(template, join(directory, IMAGE));
    await mountImage(join(directory, IMAGE), diskDirectory(mountsDirectory), { mapping });
  }

  async #template(diskMb: number): Promise<DiskTemplate> {
    const existing = this.#templates.get(diskMb);
    if (existing !== undefined) return await existing;
    const making = makeTemplate(diskMb, this.#scratch);
    this.#templates.set(diskMb, making);
    // One failure is not for ever: the next disk tries again.
    making.catch(() => this.#templates.delete(diskMb));
    return await making;
  }
}

/** A file system needs some room for itself. */
const LEAST_MB = 16;
/** A size that is quick to make, to see whether it works at all. */
const PROBE_MB = 64;

/** What this host lacks for limited disks, as a sentence; `undefined` when nothing is missing. */
export async function missingForDisks(): Promise<string | undefined> {
  if (!hasLoopDevices()) return "The host has no loop devices (/dev/loop-control).";
  try {
    await promisify(execFile)("mkfs.ext4", ["-V"]);
    return undefined;
  } catch {
    return "The host has no mkfs.ext4 (package e2fsprogs).";
  }
}

/** Where a sandbox's disk is, for the process that attached it. */
export function diskDirectory(directory: string): string {
  return join(directory, MOUNTED);
}

/** Errors: `NO_SPACE` when the file system that `directory` is on is nearly full. */
export async function requireSpace(directory: string, neededBytes = 0): Promise<void> {
  const free = await freeBytes(directory);
  if (free >= HOST_RESERVE_BYTES + neededBytes) return;
  throw new LongshoreError("NO_SPACE", `Only ${Math.floor(free / 1e6)} MB are free under ${directory}.`, {
    hint: "Free some space on this machine's disk, or stop instances; what runs keeps running.",
  });
}

/** Free space of the file system that `directory` is on. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
