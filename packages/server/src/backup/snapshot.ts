import { constants } from "node:fs";
import { chmod, chown, copyFile, link, lstat, mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { inParallel, isErrno } from "@longshore/contract";

/** What can be made again (certificates are asked for again), or describes what runs: paths below the data directory, as patterns. */
const LEFT_OUT = [
  /^(?:acme|bin|build|dev|engine|logs|uploads|backup\.[^/]+)$/,
  /^(?:lock|running\.json)(?:\.partial)?$/,
  /^bucket\/temporary$/,
  /^workers\/[^/]+\/assets$/,
  /^workers\/[^/]+\/workerd\.log(?:\.\d+)?$/,
  // SQLite makes its index of a write-ahead log again when it opens a database that nobody has open.
  /\.sqlite-shm$/,
];
/** Files that are never written again once they have their name. */
const IMMUTABLE = /^bucket\/objects\//;
const PARALLEL = 32;

export interface SnapshotFacts {
  files: number;
  bytes: number;
  databases: number;
}

/** True for what a backup has of a data directory; `path` is relative to it. */
export function isKept(path: string): boolean {
  return !LEFT_OUT.some((pattern) => pattern.test(path));
}

/**
 * Makes `target` a copy of the data directory, without its bytes where they cannot change: objects of the bucket get a second name, all else is
 * copied, by reference where the file system can. Both must be on one file system.
 */
export async function takeSnapshot(data: string, target: string): Promise<SnapshotFacts> {
  const facts = { files: 0, bytes: 0, databases: 0 };
  await copyDirectory(data, target, "", facts);
  return facts;
}

async function copyDirectory(from: string, to: string, below: string, facts: SnapshotFacts): Promise<void> {
  const { mode, uid, gid } = await lstat(from);
  await mkdir(to, { recursive: true });
  await own(to, uid, gid, mode);
  const all = (await readdir(from, { withFileTypes: true })).filter(({ name }) => isKept(below + name));
  await inParallel(PARALLEL, all, async (entry) => {
    const [source, target, path] = [join(from, entry.name), join(to, entry.name), below + entry.name];
    if (entry.isDirectory()) await copyDirectory(source, target, `${path}/`, facts);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (entry.isFile()) await copyOne(source, target, path, facts);
  });
}

async function copyOne(source: string, target: string, path: string, facts: SnapshotFacts): Promise<void> {
  if (IMMUTABLE.test(path)) await link(source, target).catch(orElse("EMLINK", () => copyFile(source, target, constants.COPYFILE_FICLONE)));
  else await copyFile(source, target, constants.COPYFILE_FICLONE);
  const { size, uid, gid, mode, nlink } = await lstat(source);
  if (nlink === 1) await own(target, uid, gid, mode);
  facts.files++;
  facts.bytes += size;
  if (path.endsWith(".sqlite")) facts.databases++;
}

async function own(path: string, uid: number, gid: number, mode: number): Promise<void> {
  await chown(path, uid, gid);
  await chmod(path, mode & 0o7777);
}

function orElse<T>(code: string, instead: () => Promise<T>): (error: unknown) => Promise<T> {
  return (error) => {
    if (isErrno(error, code)) return instead();
    throw error;
  };
}
