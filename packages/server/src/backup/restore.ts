import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import { copyTree, type Progress, syncPath, unpackFile } from "./archive.js";
import { openIdentity } from "./keys.js";
import { MANIFEST_FILE, type Manifest, readManifest, SEALED_IDENTITY_FILE } from "./manifest.js";

export interface RestoreOptions {
  /** What `backup` made: a file or a directory. */
  readonly source: string;
  readonly data: string;
  readonly passphrase?: string;
  readonly progress?: Progress;
}

/**
 * Makes a data directory from a backup; "longshore up" on it is the installation that was backed up. It appears whole, or not at all.
 * Errors: `FORBIDDEN` unless root, `CONFLICT` when the data directory has content, `NOT_FOUND`, `INVALID_INPUT` for a damaged backup or a wrong passphrase.
 */
export async function restore({ source, data, passphrase, progress = () => undefined }: RestoreOptions): Promise<Manifest> {
  if (process.getuid?.() !== 0) throw new LongshoreError("FORBIDDEN", "Only root can give an installation's files to who they belong to.");
  await assertEmpty(data);
  const found = await stat(source).catch((cause: unknown) => {
    if (!isErrno(cause, "ENOENT")) throw cause;
    throw new LongshoreError("NOT_FOUND", `There is no ${source}.`, { cause });
  });
  const partial = `${resolve(data)}.restoring`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o711 });
  try {
    if (found.isDirectory()) await copyTree(source, partial, (await readManifest(source)).bytes, progress);
    else await unpackFile(source, partial, found.size, progress);
    const manifest = await readManifest(partial);
    if (manifest.encryptedKeys) await openKeys(partial, passphrase);
    await rm(join(partial, MANIFEST_FILE));
    await syncPath(partial);
    await rmdir(data).catch((error: unknown) => {
      if (!isErrno(error, "ENOENT")) throw error;
    });
    await rename(partial, data);
    await syncPath(dirname(resolve(data)));
    return manifest;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function openKeys(directory: string, passphrase: string | undefined): Promise<void> {
  if (passphrase === undefined) {
    throw new LongshoreError("INVALID_INPUT", "The backup's keys are encrypted.", { hint: "Give the passphrase with --passphrase-file." });
  }
  const sealed = join(directory, SEALED_IDENTITY_FILE);
  const identity = join(directory, "identity.json");
  await writeFile(identity, await openIdentity(await readFile(sealed, "utf8"), passphrase), { mode: 0o600, flush: true });
  await rm(sealed);
}

async function assertEmpty(data: string): Promise<void> {
  const names = await readdir(data).catch((error: unknown) => {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  });
  if (names.length === 0) return;
  throw new LongshoreError("CONFLICT", `The data directory ${data} is not empty.`, {
    hint: "Restore into a new one (--data), or move this one away first.",
  });
}
