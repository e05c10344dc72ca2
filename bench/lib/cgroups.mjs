import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";

const MOUNTS = "/sys/fs/cgroup";

/** Removes a cgroup with all below it from every hierarchy, of either cgroup version; no process may be left in it. */
export async function removeCgroups(parent) {
  // Version 1 has a hierarchy in each directory here; with version 2 these are cgroups, and ours is not below any of them.
  const entries = await readdir(MOUNTS, { withFileTypes: true });
  const roots = [MOUNTS, ...entries.filter((entry) => entry.isDirectory()).map((entry) => join(MOUNTS, entry.name))];
  for (const root of roots) await removeTree(join(root, parent));
}

async function removeTree(directory) {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (entries === undefined) return;
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  await rmdir(directory);
}
