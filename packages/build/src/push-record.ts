/**
 * Which images were pushed where, and as what digest: Docker keeps this, buildah does not, and wrangler decides by it whether to push at all.
 * One small file per image and repository, so that two pushes at a time need no lock. A record that is no longer true is harmless: wrangler
 * asks the registry before it believes it.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";
import { type BuildRoot, writeAtomically } from "./build-root.js";

/** Remembers that the image is in the repository under this digest. */
export async function recordDigest(root: BuildRoot, imageId: string, repository: string, digest: string): Promise<void> {
  const directory = join(root.pushed, imageId);
  await mkdir(directory, { recursive: true });
  const name = createHash("sha256").update(repository).digest("hex").slice(0, 32);
  await writeAtomically(join(directory, `${name}.txt`), `${repository}@${digest}`);
}

/** `HOST/path@sha256:…` for each repository that the image was pushed to or pulled from. */
export async function recordedDigests(root: BuildRoot, imageId: string): Promise<string[]> {
  const directory = join(root.pushed, imageId);
  try {
    const files = (await readdir(directory)).filter((file) => file.endsWith(".txt"));
    return (await Promise.all(files.map((file) => readFile(join(directory, file), "utf8")))).sort();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/** Forgets an image that is gone. */
export async function forgetDigests(root: BuildRoot, imageId: string): Promise<void> {
  await rm(join(root.pushed, imageId), { recursive: true, force: true });
}
