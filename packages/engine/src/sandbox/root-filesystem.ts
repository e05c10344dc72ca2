import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type InstanceSize, isErrno } from "@longshore/contract";
import { exposeCaptured } from "../disk/captured.js";
import { type Disks, diskDirectory } from "../disk/disks.js";
import { mountOverlay, unmount } from "../sys/libc.js";
import { bindWithIds } from "../sys/user-namespace.js";

/** What a sandbox starts with besides its image: nothing of it is ever written to. */
export interface Restored {
  /** Captured disks (disk/captured.ts) that go on top of the image's layers, lowest first. */
  readonly base: readonly string[];
  /** Directories that appear at a path of the container, each time as a copy that costs nothing until it is written to. */
  readonly volumes: readonly { readonly content: string; readonly target: string }[];
}

export const NOTHING_RESTORED: Restored = { base: [], volumes: [] };

export interface FileSystemInput {
  readonly disks: Disks;
  /** The sandbox's own directory. */
  readonly directory: string;
  /** The same by the name that mounts are made under (sys/mount-namespace.ts). */
  readonly mounts: string;
  /** Whose ids its files show; absent: those that are on the disk. */
  readonly mapping: number | undefined;
  readonly layersDirectory: string;
  readonly layers: readonly string[];
  readonly size: InstanceSize;
  readonly restored: Restored;
}

/** A host directory that appears in the container, writable. */
export interface Bind {
  readonly source: string;
  readonly target: string;
}

/**
 * Mounts a sandbox's root file system at `<mounts>/root` for this process, with a fresh disk on top; returns what is to be bound into it.
 * Once a container has it, {@link releaseFileSystem}: then it ends with the container. Errors: `NO_SPACE`.
 */
export async function mountFileSystem(input: FileSystemInput): Promise<Bind[]> {
  const { directory, mounts, mapping, restored, size } = input;
  await input.disks.attach(directory, size.diskMb, mounts, mapping);
  const above: string[] = [];
  for (const [position, captured] of restored.base.entries()) {
    above.push(await exposeCaptured(captured, mountPoint(mounts, `base-${position}`), mapping));
  }
  mountRoot(mounts, withIds(input.layersDirectory, mounts, "layers", mapping), [...input.layers, ...above]);
  return restored.volumes.map(({ content, target }, position) => {
    const name = `volume-${position}`;
    mountCopyOnWrite(mounts, name, withIds(content, mounts, `content-${position}`, mapping));
    return { source: join(mounts, name), target };
  });
}

/** A directory of the host with the container's ids, shown at `<mounts>/<name>`; without a mapping the directory itself. */
function withIds(source: string, mounts: string, name: string, mapping: number | undefined): string {
  if (mapping === undefined) return source;
  const target = mountPoint(mounts, name);
  bindWithIds(source, target, mapping);
  return target;
}

function mountPoint(mounts: string, name: string): string {
  const path = join(mounts, name);
  mkdirSync(path);
  return path;
}

const MOUNT_POINT = /^(root|disk|layers|(base|volume|content)-\d+)$/;

/** Takes this process's view of a sandbox's mounts away. None there is fine. */
export function releaseFileSystem(directory: string): void {
  let names: string[] = [];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  for (const name of names) if (MOUNT_POINT.test(name)) unmount(join(directory, name));
}

/** The kernel takes at most a page of options: layers are named relative to their directory, which is the working directory for the call. */
function mountRoot(directory: string, layersDirectory: string, lower: readonly string[]): void {
  const root = mountPoint(directory, "root");
  const disk = diskDirectory(directory);
  const previous = process.cwd();
  process.chdir(layersDirectory);
  try {
    // An image without layers still needs one.
    mountOverlay(root, overlayOptions(lower.length === 0 ? [root] : lower, join(disk, "upper"), join(disk, "work")));
  } finally {
    process.chdir(previous);
  }
}

/** Mounts at `<directory>/<name>`; what is written goes to the sandbox's disk. The calls are synchronous because the disk is mounted for this thread alone. */
function mountCopyOnWrite(directory: string, name: string, content: string): void {
  const own = join(diskDirectory(directory), name);
  const [upper, work, target] = [join(own, "upper"), join(own, "work"), join(directory, name)];
  for (const path of [own, upper, work, target]) mkdirSync(path);
  // The overlay shows the owner and mode of the upper directory.
  const { uid, gid, mode } = statSync(content);
  chownSync(upper, uid, gid);
  chmodSync(upper, mode & 0o7777);
  mountOverlay(target, overlayOptions([content], upper, work));
}

/** Overlay wants the highest layer first. */
function overlayOptions(lowestFirst: readonly string[], upper: string, work: string): string {
  return `lowerdir=${[...new Set([...lowestFirst].reverse())].join(":")},upperdir=${upper},workdir=${work}`;
}
