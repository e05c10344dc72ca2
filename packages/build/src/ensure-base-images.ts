import { readFile } from "node:fs/promises";
import { openBuildRoot } from "./build-root.js";
import { canPull } from "./can-pull.js";
import { baseImages } from "./dockerfile.js";
import { fullName } from "./reference.js";
import { type Seeded, type SeedOptions, seedFor, seedImage } from "./seed/seed.js";
import { buildSettings } from "./settings.js";
import { findIn, listImages } from "./storage.js";

/** What became of the base images of a Dockerfile. Full names. */
export interface EnsuredBaseImages {
  /** In storage already. */
  readonly present: readonly string[];
  /** Not here, but a registry has them: the build pulls them. */
  readonly pullable: readonly string[];
  /** Made now from the machine's packages. */
  readonly seeded: readonly Seeded[];
  /** Neither here, nor in reach, nor a name that a seed makes: the build will fail and say so. */
  readonly missing: readonly string[];
}

/**
 * Sees to it that a build of this Dockerfile finds its base images: one that is neither here nor in reach is seeded where a seed of that name
 * exists. Errors: those of `seedImage`; Node's own when the file cannot be read.
 */
export async function ensureBaseImages(
  dockerfilePath: string,
  options: SeedOptions & { buildArgs?: Record<string, string> } = {},
): Promise<EnsuredBaseImages> {
  const settings = options.settings ?? buildSettings();
  const root = await openBuildRoot(settings);
  const result = { present: [] as string[], pullable: [] as string[], seeded: [] as Seeded[], missing: [] as string[] };
  const images = await listImages(root);
  for (const image of new Set(baseImages(await readFile(dockerfilePath, "utf8"), options).map(fullName))) {
    const seed = seedFor(image);
    if (findIn(images, image) !== undefined) result.present.push(image);
    else if (await canPull(image, root)) result.pullable.push(image);
    else if (seed !== undefined) result.seeded.push(await seedImage(seed, { settings }));
    else result.missing.push(image);
  }
  return result;
}
