import type { BuildRoot } from "../build-root.js";
import type { BuildSettings } from "../settings.js";
import { withWorkDirectory } from "../work-directory.js";
import { giveToEngine } from "./give.js";
import { isDevelopmentName } from "./name.js";
import { claimName, removeAbandonedNames } from "./tags.js";

/**
 * After an image has got names: those for development belong to the caller's process, and the engine gets the image under them. Names that nobody
 * needs any more are removed on this occasion. Does nothing for other names. Errors: `UNAVAILABLE` when the engine that was named is not there.
 */
export async function offerToEngine(root: BuildRoot, settings: BuildSettings, imageId: string, names: readonly string[]): Promise<void> {
  const offered = names.filter(isDevelopmentName);
  if (offered.length === 0) return;
  for (const name of offered) await claimName(root, name);
  const { engineSocket } = settings;
  if (engineSocket !== undefined) {
    for (const name of offered) {
      await withWorkDirectory(root, (workDirectory) => giveToEngine(root, engineSocket, imageId, name, workDirectory));
    }
  }
  await removeAbandonedNames(root, engineSocket);
}
