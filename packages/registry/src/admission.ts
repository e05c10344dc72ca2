import { buffer } from "node:stream/consumers";
import type { BlobStore } from "./blob-store.js";
import { RegistryError } from "./errors.js";
import {
  blobsOf,
  type Descriptor,
  type ImageManifest,
  isContainerImage,
  type Manifest,
  manifestsOf,
  type Platform,
  parseConfigPlatform,
  runsHere,
} from "./manifest.js";
import type { ManifestStore } from "./manifest-store.js";

/** Configs are a few kilobytes; this only bounds the memory that a hostile one takes. */
const LARGEST_CONFIG = 8 * 1024 * 1024;

/** Decides whether a manifest may enter a repository. */
export class Admission {
  readonly #blobs: BlobStore;
  readonly #manifests: ManifestStore;

  constructor(blobs: BlobStore, manifests: ManifestStore) {
    this.#blobs = blobs;
    this.#manifests = manifests;
  }

  /** Errors: `MANIFEST_BLOB_UNKNOWN` when something that the manifest refers to is not in the repository, or has another size. */
  async checkReferences(repository: string, manifest: Manifest): Promise<void> {
    const missing: string[] = [];
    for (const { digest, size, mayBeAbsent } of manifest.kind === "image" ? blobsOf(manifest) : manifestsOf(manifest)) {
      const found =
        manifest.kind === "image" ? await this.#blobs.find(repository, digest) : await this.#manifests.find(repository, { digest });
      if (found === undefined ? !mayBeAbsent : found.size !== size) missing.push(digest);
    }
    if (missing.length === 0) return;
    throw new RegistryError("MANIFEST_BLOB_UNKNOWN", `The manifest refers to what ${repository} does not have: ${missing.join(", ")}.`, {
      hint: "Push the image again: its layers go first, then its manifest.",
      details: { digests: missing },
    });
  }

  /**
   * Refuses what can never start here. Only what gets a tag is judged: the images of an index are pushed by digest before it, for all platforms.
   * Errors: `UNSUPPORTED`.
   */
  async checkPlatform(repository: string, tag: string, manifest: Manifest): Promise<void> {
    const platforms = await this.#platforms(repository, manifest, new Set());
    if (platforms === undefined || platforms.some(runsHere)) return;
    const names = [...new Set(platforms.map(platformName))].join(", ") || "no platform";
    throw new RegistryError("UNSUPPORTED", `The image ${repository}:${tag} is for ${names}, but containers run on linux/amd64.`, {
      hint: 'Rebuild it with "docker build --platform linux/amd64", then push it again.',
      details: { platforms: platforms.map(platformName) },
    });
  }

  /** Where a manifest runs, and those it leads to that are not among `seen`; `undefined` when it does not say. */
  async #platforms(repository: string, manifest: Manifest, seen: Set<string>): Promise<Platform[] | undefined> {
    if (manifest.kind === "image") {
      const platform = await this.#imagePlatform(manifest);
      return platform === undefined ? undefined : [platform];
    }
    const stated: Platform[] = [];
    for (const child of manifest.manifests) {
      stated.push(...(child.platform === undefined ? await this.#childPlatforms(repository, child, seen) : [child.platform]));
    }
    // Attestations are listed beside the images as unknown/unknown.
    return stated.length === 0 ? undefined : stated.filter((platform) => platform.os !== "unknown");
  }

  async #childPlatforms(repository: string, child: Descriptor, seen: Set<string>): Promise<Platform[]> {
    if (seen.has(child.digest)) return [];
    seen.add(child.digest);
    const stored = await this.#manifests.read(repository, { digest: child.digest });
    return (stored && (await this.#platforms(repository, stored.manifest, seen))) ?? [];
  }

  async #imagePlatform(manifest: ImageManifest): Promise<Platform | undefined> {
    if (!isContainerImage(manifest)) return undefined;
    if (manifest.config.size > LARGEST_CONFIG) {
      throw new RegistryError("MANIFEST_INVALID", `The image's config is larger than ${LARGEST_CONFIG} bytes.`);
    }
    const config = await this.#blobs.read(manifest.config.digest);
    return config === undefined ? undefined : parseConfigPlatform(await buffer(config.body));
  }
}

function platformName({ os = "any", architecture = "any" }: Platform): string {
  return `${os}/${architecture}`;
}
