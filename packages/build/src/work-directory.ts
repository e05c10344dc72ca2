import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BuildRoot } from "./build-root.js";
import { runBuildah } from "./buildah.js";
import { isProcessAlive, processIdentity } from "./process-identity.js";
import { workingContainers } from "./storage.js";

let count = 0;

/**
 * Runs `use` with a temporary directory of its own, which is gone afterwards. While it exists it says that a command is at work in the build
 * root; what killed commands left there is swept first.
 */
export async function withWorkDirectory<T>(root: BuildRoot, use: (directory: string) => Promise<T>): Promise<T> {
  const directory = join(root.work, `${processIdentity(process.pid)}_${++count}`);
  await mkdir(directory);
  try {
    await sweep(root);
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Removes what commands that were killed have left: temporary files, and the containers that a build works in. */
export async function sweep(root: BuildRoot): Promise<void> {
  // The order matters: a build makes its directory before its container, so if nobody else is at work *after* the
  // containers were listed, every container in the list is an orphan.
  const containers = await workingContainers(root);
  const entries = await readdir(root.work);
  const others = entries.filter((entry) => !entry.startsWith(`${processIdentity(process.pid)}_`));
  const dead = others.filter((entry) => !isProcessAlive(entry.slice(0, entry.lastIndexOf("_"))));
  await Promise.all(dead.map((entry) => rm(join(root.work, entry), { recursive: true, force: true })));
  if (containers.length > 0 && dead.length === others.length && entries.length - others.length <= 1) {
    await runBuildah(root, ["rm", ...containers], { output: "capture" });
  }
}
