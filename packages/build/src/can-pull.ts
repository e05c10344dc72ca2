import { LongshoreError } from "@longshore/contract";
import { type BuildRoot, openBuildRoot } from "./build-root.js";
import { parseReference } from "./reference.js";
import { fetchManifest } from "./registry-client.js";
import { buildSettings } from "./settings.js";

/** Milliseconds. A registry that takes longer for one manifest is as good as away: the caller has something else to do. */
const DEADLINE_MS = 3000;

/** Whether the registry would hand out this image now. Takes 3 seconds at most; only the manifest is fetched. Errors: `INVALID_INPUT`. */
export async function canPull(reference: string, root?: BuildRoot): Promise<boolean> {
  const where = root ?? (await openBuildRoot(buildSettings()));
  const image = parseReference(reference);
  try {
    await fetchManifest(where, image, AbortSignal.timeout(DEADLINE_MS));
    return true;
  } catch (error) {
    if (error instanceof LongshoreError) return false;
    throw error;
  }
}
