import { type BuildRoot, openBuildRoot } from "./build-root.js";
import { runBuildah } from "./buildah.js";
import { fullName } from "./reference.js";
import { buildSettings } from "./settings.js";

/** Milliseconds. A registry that takes longer for one manifest is as good as away: the caller has something else to do. */
const DEADLINE_MS = 3000;

/**
 * Whether the registry would hand out this image now. Asks through buildah, so with the proxies, certificates and credentials that a build would
 * use. Takes 3 seconds at most; nothing is downloaded but the manifest.
 */
export async function canPull(reference: string, root?: BuildRoot): Promise<boolean> {
  const where = root ?? (await openBuildRoot(buildSettings()));
  const args = ["manifest", "inspect", fullName(reference)];
  const { code } = await runBuildah(where, args, { output: "capture", signal: AbortSignal.timeout(DEADLINE_MS) });
  return code === 0;
}
