/**
 * Whose the images of `wrangler dev` are. wrangler never removes the last one, so each name is written down with the process that asked for it, which is
 * wrangler's own: a name whose process has ended goes with the next build for development, or when `longshore dev` ends. One small file for each, so that
 * two wranglers need no lock.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";
import { type BuildRoot, openBuildRoot, writeAtomically } from "../build-root.js";
import { buildah } from "../buildah.js";
import { listImageNames, removeEngineImage } from "../engine-client.js";
import { isProcessAlive, processIdentity } from "../process-identity.js";
import { fullName } from "../reference.js";
import type { BuildSettings } from "../settings.js";
import { listImages } from "../storage.js";
import { isDevelopmentName } from "./name.js";
import { isSetAside } from "./set-aside.js";

const directoryOf = (root: BuildRoot) => join(root.root, "development");

/** Remembers that the process which started this one needs the name. */
export async function claimName(root: BuildRoot, name: string): Promise<void> {
  await mkdir(directoryOf(root), { recursive: true });
  const file = createHash("sha256").update(name).digest("hex").slice(0, 32);
  await writeAtomically(join(directoryOf(root), `${file}.json`), JSON.stringify({ name, keeper: processIdentity(process.ppid) }));
}

/** Removes the names whose process has ended, here and in the engine. Errors: those of buildah, `UNAVAILABLE` when the engine fails. */
export async function removeAbandonedNames(root: BuildRoot, engineSocket: string | undefined): Promise<void> {
  for (const { file, name, keeper } of await claims(root)) {
    if (keeper !== undefined && isProcessAlive(keeper)) continue;
    if ((await listImages(root)).some(({ names }) => names.includes(name))) await buildah(root, ["rmi", name], `Removing ${name}`);
    await rm(file, { force: true });
  }
  if (engineSocket === undefined) return;
  const wanted = new Set((await listImages(root)).flatMap(({ names }) => names));
  for (const name of await listImageNames(engineSocket)) {
    if (isSetAside(name) || (isDevelopmentName(name) && !wanted.has(fullName(name)))) await removeEngineImage(engineSocket, name);
  }
}

/** {@link removeAbandonedNames} for whoever has settings only. */
export async function removeDevelopmentImages(settings: BuildSettings): Promise<void> {
  await removeAbandonedNames(await openBuildRoot(settings), settings.engineSocket);
}

async function claims(root: BuildRoot): Promise<{ file: string; name: string; keeper: string | undefined }[]> {
  const directory = directoryOf(root);
  const read = async (entry: string) => {
    const file = join(directory, entry);
    const { name, keeper } = JSON.parse(await readFile(file, "utf8")) as { name: string; keeper?: string };
    return { file, name, keeper };
  };
  try {
    return await Promise.all((await readdir(directory)).filter((entry) => entry.endsWith(".json")).map(read));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
