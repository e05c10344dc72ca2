import { link, mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type AssetFile, isErrno, LongshoreError, type WorkerAssets } from "@longshore/contract";
import { type Owner, ownedDirectory, ownedFile, type ReadModule } from "./release.js";

/** Where the files of one version are: known before they are there. */
export function assetsDirectory(root: string, assets: WorkerAssets): string {
  return join(root, "trees", assets.id);
}

/**
 * Makes the directory with a version's files, complete or not at all. Files that another version has too are there once.
 *
 * workerd makes an ETag of a file's path, size and time. Here the time stands for the content, so an ETag changes when the content does and not when
 * the same files are written again. Errors: `INTERNAL` when the bucket gives other bytes than it was given.
 */
export async function writeAssets(root: string, assets: WorkerAssets, read: ReadModule, owner: Owner): Promise<void> {
  const files = JSON.parse((await read(assets.listKey)).toString("utf8")) as AssetFile[];
  const place = assetsDirectory(root, assets);
  if (await isComplete(place, files)) return;
  const blobs = join(root, "blobs");
  const draft = `${place}.new`;
  await rm(draft, { recursive: true, force: true });
  await rm(place, { recursive: true, force: true });
  for (const directory of [root, blobs, join(root, "trees"), draft]) await ownedDirectory(directory, 0o711, owner);
  for (const file of files) {
    const blob = join(blobs, basename(file.key));
    if (!(await hasSize(blob, file.size))) await writeBlob(blob, file, read, owner);
    const target = join(draft, file.path);
    await mkdirs(draft, dirname(target), owner);
    await link(blob, target);
  }
  await rename(draft, place);
}

/** Removes the files of all versions but this one; `undefined` keeps none. */
export async function pruneAssets(root: string, keep: WorkerAssets | undefined): Promise<void> {
  if (keep === undefined) return rm(root, { recursive: true, force: true });
  for (const name of await readdir(join(root, "trees"))) {
    if (name !== keep.id) await rm(join(root, "trees", name), { recursive: true, force: true });
  }
  const blobs = join(root, "blobs");
  for (const name of await readdir(blobs)) {
    if ((await stat(join(blobs, name))).nlink === 1) await rm(join(blobs, name));
  }
}

/** After a power cut a file may be there and empty: nothing here is forced to the disk, since all of it can be made again. */
async function isComplete(place: string, files: readonly AssetFile[]): Promise<boolean> {
  if (!(await exists(place))) return false;
  for (const file of files) if (!(await hasSize(join(place, file.path), file.size))) return false;
  return true;
}

async function writeBlob(blob: string, file: AssetFile, read: ReadModule, owner: Owner): Promise<void> {
  const bytes = await read(file.key);
  if (bytes.length !== file.size) {
    throw new LongshoreError("INTERNAL", `The stored file ${JSON.stringify(file.path)} has ${bytes.length} bytes, not ${file.size}.`, {
      hint: "Deploy the Worker again.",
      details: { key: file.key },
    });
  }
  const draft = `${blob}.new`;
  await rm(draft, { force: true });
  await ownedFile(draft, bytes, owner);
  const time = timeOf(basename(file.key));
  await utimes(draft, time, time);
  await rename(draft, blob);
}

/** A moment between 1970 and 2004 that a digest stands for. */
function timeOf(digest: string): Date {
  return new Date(Number.parseInt(digest.slice(0, 10), 16));
}

async function mkdirs(root: string, directory: string, owner: Owner): Promise<void> {
  if (directory === root || (await exists(directory))) return;
  await mkdirs(root, dirname(directory), owner);
  await mkdir(directory);
  await ownedDirectory(directory, 0o711, owner);
}

async function exists(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== undefined;
}

async function hasSize(path: string, size: number): Promise<boolean> {
  return (await sizeOf(path)) === size;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return undefined;
    throw error;
  }
}
