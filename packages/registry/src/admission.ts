import { buffer } from "node:stream/consumers";
import type { BlobStore } from "./blob-store.js";
import { RegistryError } from "./errors.js";
import {
  blobsOf,
  type Descriptor,
  type ImageManifest,
  isContainerImage,
  type Manifest,
  type Platform,
  parseConfigPlatform,
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
    const wanted = manifest.kind === "image" ? blobsOf(manifest) : manifest.manifests;
    for (const { digest, size } of wanted) {
      const found =
        manifest.kind === "image" ? await this.#blobs.find(repository, digest) : await this.#manifests.find(repository, { digest });
      if (found?.size !== size) missing.push(digest);
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
    const platforms = await this.#platforms(repository, manifest);
    if (platforms === undefined || platforms.some(runsHere)) return;
    const names = [...new Set(platforms.map(platformName))].join(", ") || "no platform";
    throw new RegistryError("UNSUPPORTED", `The image ${repository}:${tag} is for ${names}, but containers run on linux/amd64.`, {
      hint: 'Rebuild it with "docker build --platform linux/amd64", then push it again.',
      details: { platforms: platforms.map(platformName) },
    });
  }

  /** Where a manifest runs; `undefined` when it does not say. */
  async #platforms(repository: string, manifest: Manifest): Promise<Platform[] | undefined> {
    if (manifest.kind === "image") {
      const platform = await this.#imagePlatform(manifest);
      return platform === undefined ? undefined : [platform];
    }
    const platforms: Platform[] = [];
    for (const child of manifest.manifests) {
      const platform = child.platform ?? (await this.#childPlatform(repository, child));
      // Attestations are listed beside the images as unknown/unknown.
      if (platform !== undefined && platform.os !== "unknown") platforms.push(platform);
    }
    return platforms;
  }

  async #childPlatform(repository: string, child: Descriptor): Promise<Platform | undefined> {
    const stored = await this.#manifests.read(repository, { digest: child.digest });
    return stored?.manifest.kind === "image" ? this.#imagePlatform(stored.manifest) : undefined;
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

function runsHere(platform: Platform): boolean {
  return platform.os === "linux" && platform.architecture === "amd64";
}

function platformName({ os = "any", architecture = "any" }: Platform): string {
  return `${os}/${architecture}`;
}
