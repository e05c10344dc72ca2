import { BLOBS_PREFIX, type Bucket, digestOfBlobKey, manifestKey, repositoryBlobKey } from "@longshore/contract";
import type { AccountUsage } from "./account-usage.js";
import { blobsOf } from "./manifest.js";
import type { ManifestStore, StoredManifest } from "./manifest-store.js";
import type { Protection } from "./protection.js";
import { repositoryEntries } from "./repository-entries.js";

/** What one collection did. */
export interface Collected {
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  /** Of the blobs. */
  readonly bytes: number;
}

/** Digests of manifests that are needed although perhaps no tag leads to them any more. */
export interface ImagesInUse {
  /** What runs, or starts when something is to run. Stays in any case. */
  readonly deployed: ReadonlySet<string>;
  /** What somebody may want to go back to. Stays unless its last tag was deleted. */
  readonly remembered: ReadonlySet<string>;
}

interface CollectorParts {
  readonly bucket: Bucket;
  readonly manifests: ManifestStore;
  readonly protection: Protection;
  readonly usage: AccountUsage;
  /** Without it every untagged manifest may be in use, and stays. */
  readonly inUse: (() => Promise<ImagesInUse>) | undefined;
}

interface Repository {
  readonly tags: string[];
  readonly manifests: string[];
  readonly blobs: string[];
  /** Manifests that stay. */
  readonly marked: Set<string>;
}

/**
 * Frees what no image needs any more: mark, then sweep.
 *
 * Marked are the tagged manifests, those in use, and what they lead to (an index's images, a subject's referrers, config and layers). Anything
 * asked for or sent within the grace period stays as well, see {@link Protection}, so no push is disturbed and nothing needs to be stopped.
 */
export class Collector {
  readonly #bucket: Bucket;
  readonly #manifests: ManifestStore;
  readonly #protection: Protection;
  readonly #usage: AccountUsage;
  readonly #inUse: (() => Promise<ImagesInUse>) | undefined;
  #running: Promise<Collected> | undefined;

  constructor({ bucket, manifests, protection, usage, inUse }: CollectorParts) {
    this.#bucket = bucket;
    this.#manifests = manifests;
    this.#protection = protection;
    this.#usage = usage;
    this.#inUse = inUse;
  }

  /** Collects now; a call during a collection gets that one's result. A failure leaves less collected, never too much. */
  collect(): Promise<Collected> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when no collection is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#running]);
  }

  async #collect(): Promise<Collected> {
    const repositories = await this.#survey();
    const inUse = await this.#inUse?.();
    for (const [name, repository] of repositories) await this.#markRoots(name, repository, inUse);

    let manifests = 0;
    let links = 0;
    const needed = new Set<string>();
    for (const [name, repository] of repositories) {
      manifests += await this.#sweepManifests(name, repository);
      const blobs = await this.#blobsOf(name, repository);
      for (const digest of blobs) needed.add(digest);
      links += await this.#sweepLinks(name, repository, blobs);
    }
    const freed = await this.#sweepBlobs(needed);
    this.#protection.prune();
    if (manifests + links > 0) this.#usage.recount();
    return { manifests, links, ...freed };
  }

  async #survey(): Promise<Map<string, Repository>> {
    const repositories = new Map<string, Repository>();
    for await (const entry of repositoryEntries(this.#bucket)) {
      const repository = repositories.get(entry.repository) ?? { tags: [], manifests: [], blobs: [], marked: new Set() };
      repositories.set(entry.repository, repository);
      if (entry.kind === "tag") repository.tags.push(entry.name);
      else if (entry.kind === "manifest") repository.manifests.push(entry.digest);
      else repository.blobs.push(entry.digest);
    }
    return repositories;
  }

  async #markRoots(name: string, repository: Repository, inUse: ImagesInUse | undefined): Promise<void> {
    for (const tag of repository.tags) {
      const link = await this.#manifests.peek(name, { tag });
      if (link !== undefined) await this.#mark(name, repository, link.digest);
    }
    for (const digest of repository.manifests) {
      const stays =
        inUse === undefined ||
        inUse.deployed.has(digest) ||
        (inUse.remembered.has(digest) && !(await this.#manifests.isDiscarded(name, digest)));
      if (stays) await this.#mark(name, repository, digest);
    }
  }

  /** Marks a manifest and the manifests it leads to. */
  async #mark(name: string, repository: Repository, digest: string): Promise<void> {
    if (repository.marked.has(digest)) return;
    repository.marked.add(digest);
    const stored = await this.#stored(name, digest);
    if (stored?.manifest.kind === "index") {
      for (const child of stored.manifest.manifests) await this.#mark(name, repository, child.digest);
    }
    for (const referrer of await this.#manifests.referrers(name, digest)) await this.#mark(name, repository, referrer.digest);
  }

  /** Indexes go before images: one that turns out to be wanted after all still marks its own. */
  async #sweepManifests(name: string, repository: Repository): Promise<number> {
    const unmarked: { digest: string; stored: StoredManifest | undefined }[] = [];
    for (const digest of repository.manifests) {
      if (!repository.marked.has(digest)) unmarked.push({ digest, stored: await this.#stored(name, digest) });
    }
    const isIndex = ({ stored }: { stored: StoredManifest | undefined }) => stored?.manifest.kind === "index";
    let swept = 0;
    for (const { digest, stored } of [...unmarked.filter(isIndex), ...unmarked.filter((entry) => !isIndex(entry))]) {
      if (repository.marked.has(digest)) continue;
      const remove = () => (stored === undefined ? this.#bucket.delete(manifestKey(name, digest)) : this.#manifests.unlink(name, stored));
      // What was asked for since the marking began stays, and with it all that it leads to.
      if (await this.#protection.deleteUnlessProtected(digest, remove)) swept++;
      else await this.#mark(name, repository, digest);
    }
    return swept;
  }

  /** Digests of all blobs that the repository's marked manifests need, and of those manifests. */
  async #blobsOf(name: string, repository: Repository): Promise<Set<string>> {
    const needed = new Set(repository.marked);
    for (const digest of repository.marked) {
      const stored = await this.#stored(name, digest);
      if (stored?.manifest.kind === "image") for (const blob of blobsOf(stored.manifest)) needed.add(blob.digest);
    }
    return needed;
  }

  async #stored(name: string, digest: string): Promise<StoredManifest | undefined> {
    return this.#manifests.open(await this.#manifests.peek(name, { digest }));
  }

  async #sweepLinks(name: string, repository: Repository, needed: ReadonlySet<string>): Promise<number> {
    let swept = 0;
    for (const digest of repository.blobs) {
      if (needed.has(digest)) continue;
      if (await this.#protection.deleteUnlessProtected(digest, () => this.#bucket.delete(repositoryBlobKey(name, digest)))) swept++;
    }
    return swept;
  }

  async #sweepBlobs(needed: ReadonlySet<string>): Promise<{ blobs: number; bytes: number }> {
    let blobs = 0;
    let bytes = 0;
    for await (const { key, size } of this.#bucket.list(BLOBS_PREFIX)) {
      const digest = digestOfBlobKey(key);
      if (needed.has(digest)) continue;
      if (!(await this.#protection.deleteUnlessProtected(digest, () => this.#bucket.delete(key)))) continue;
      blobs++;
      bytes += size;
    }
    return { blobs, bytes };
  }
}
