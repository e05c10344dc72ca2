import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { type Owner, ownedDirectory } from "./release.js";

/**
 * As {@link ownedDirectory}, and on disk when it resolves: workerd makes the directories of its databases without syncing the one above, and what it
 * acknowledges in a new one could be gone, name and all, after a power cut.
 */
export async function lastingDirectory(path: string, mode: number, owner: Owner): Promise<void> {
  await ownedDirectory(path, mode, owner);
  const parent = await open(dirname(path), "r");
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}
