import { join } from "node:path";
import { toLongshoreError } from "@longshore/contract";
import { type BuildRoot, openBuildRoot } from "../build-root.js";
import { buildah } from "../buildah.js";
import { spaceError } from "../disk-space.js";
import { type BuildSettings, buildSettings } from "../settings.js";
import { withWorkDirectory } from "../work-directory.js";
import { busyboxSeed } from "./busybox.js";
import { type SeedImage, writeImageArchive } from "./image-archive.js";
import { nodeSeed } from "./node.js";

export type SeedName = "busybox" | "node" | "node-alpine";

/** Each seed, and the name that a Dockerfile knows it by. */
export const SEED_REFERENCES: Readonly<Record<SeedName, string>> = {
  busybox: "docker.io/library/busybox:latest",
  node: "docker.io/library/node:20-slim",
  // Not Alpine itself: node, npm and busybox, but no apk.
  "node-alpine": "docker.io/library/node:20-alpine",
};

export interface SeedOptions {
  /** Where builds keep their images; default from the environment. */
  readonly settings?: BuildSettings;
}

export interface Seeded {
  readonly reference: string;
  /** Bytes, not compressed. */
  readonly sizeBytes: number;
  /** The program of this machine that it was made from. */
  readonly from: string;
}

/** The seed that makes this full reference, if there is one. */
export function seedFor(reference: string): SeedName | undefined {
  return (Object.keys(SEED_REFERENCES) as SeedName[]).find((name) => SEED_REFERENCES[name] === reference);
}

/**
 * Makes a base image from the machine's own packages, under the name that a Dockerfile uses, without any network. Seeding again from the same
 * packages gives the same image. Errors: `UNAVAILABLE` when a package is missing (the hint names it), `NO_SPACE`.
 */
export async function seedImage(name: SeedName, options: SeedOptions = {}): Promise<Seeded> {
  const settings = options.settings ?? buildSettings();
  const path = settings.environment.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin";
  const image = name === "busybox" ? busyboxSeed(path) : nodeSeed(path);
  const reference = SEED_REFERENCES[name];
  const root = await openBuildRoot(settings);
  try {
    const sizeBytes = await withWorkDirectory(root, (directory) => load(root, directory, image, reference));
    return { reference, sizeBytes, from: image.from };
  } catch (error) {
    throw toLongshoreError(error, `Seeding ${reference}`);
  }
}

async function load(root: BuildRoot, work: string, image: SeedImage, reference: string): Promise<number> {
  const archive = join(work, "image.tar");
  const size = await writeImageArchive(archive, image, reference);
  // buildah copies the layer once before it unpacks it.
  const noSpace = await spaceError(root, 2 * size);
  if (noSpace !== undefined) throw noSpace;
  const command = ["pull", "--quiet", "--signature-policy", root.policy, `docker-archive:${archive}`];
  await buildah(root, command, `Seeding ${reference}`, work);
  return size;
}
