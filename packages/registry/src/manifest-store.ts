import { buffer, json } from "node:stream/consumers";
import {
  type Bucket,
  blobKey,
  discardedKey,
  KeyedMutex,
  LongshoreError,
  type ManifestLink,
  manifestKey,
  referrerKey,
  tagKey,
} from "@longshore/contract";
import { z } from "zod";
import type { AccountUsage } from "./account-usage.js";
import { blobsOf, type Manifest, parseManifest } from "./manifest.js";
import type { Protection } from "./protection.js";
import type { Reference } from "./routes.js";

const linkSchema = z.object({ digest: z.string(), mediaType: z.string(), size: z.number() });
const referrerSchema = linkSchema.extend({ artifactType: z.string().optional(), annotations: z.record(z.string(), z.string()).optional() });

/** A descriptor of a manifest that has another one as its subject. */
export type Referrer = z.infer<typeof referrerSchema>;

export interface StoredManifest {
  readonly link: ManifestLink;
  readonly manifest: Manifest;
  readonly bytes: Buffer;
}

/** The manifests and tags of all repositories. A manifest's bytes are a blob; a repository's link to it says what it is. */
export class ManifestStore {
  readonly #bucket: Bucket;
  readonly #protection: Protection;
  readonly #usage: AccountUsage;
  readonly #changes = new KeyedMutex();

  constructor(bucket: Bucket, protection: Protection, usage: AccountUsage) {
    this.#bucket = bucket;
    this.#protection = protection;
    this.#usage = usage;
  }

  /** Runs `work` while nothing else that was given to this does anything in the repository: what one has looked at, the other does not take away. */
  undisturbed<T>(repository: string, work: () => Promise<T>): Promise<T> {
    return this.#changes.run(repository, work);
  }

  /** Where a tag or digest leads in this repository; `undefined` when nowhere. Whoever asks may rely on it for a grace period. */
  async find(repository: string, reference: Reference): Promise<ManifestLink | undefined> {
    const link = await this.peek(repository, reference);
    if (link === undefined) return undefined;
    await this.#protection.protect(repository, link.digest);
    // Again, because it may have been deleted just before.
    return this.peek(repository, { digest: link.digest });
  }

  /** As {@link find}, but nobody may rely on it. */
  async peek(repository: string, reference: Reference): Promise<ManifestLink | undefined> {
    const digest = reference.digest ?? (await this.#json(tagKey(repository, reference.tag), linkSchema))?.digest;
    return digest === undefined ? undefined : this.#json(manifestKey(repository, digest), linkSchema);
  }

  /** As {@link find}, with the manifest itself. */
  async read(repository: string, reference: Reference): Promise<StoredManifest | undefined> {
    return this.open(await this.find(repository, reference));
  }

  /** The manifest that a link leads to; `undefined` without a link, or when the bytes are gone. */
  async open(link: ManifestLink | undefined): Promise<StoredManifest | undefined> {
    const object = link === undefined ? undefined : await this.#bucket.get(blobKey(link.digest));
    if (link === undefined || object === undefined) return undefined;
    const bytes = await buffer(object.body);
    return { link, bytes, manifest: parseManifest(bytes, link.mediaType) };
  }

  /**
   * Stores an admitted manifest, then lets the tags lead to it: a reader of a tag sees the whole new image or the whole old one.
   * Errors: `DENIED` beyond the account's quota.
   */
  async put(repository: string, tags: readonly string[], { link, manifest, bytes }: StoredManifest): Promise<void> {
    await this.#protection.protect(repository, link.digest);
    await this.#usage.counted(repository, link.digest, bytes.length, async () => {
      await this.#bucket.put(blobKey(link.digest), bytes);
      await this.#bucket.put(manifestKey(repository, link.digest), JSON.stringify(link));
    });
    if (manifest.subject !== undefined) {
      const referrer = JSON.stringify(referrerDescriptor(link, manifest));
      await this.#bucket.put(referrerKey(repository, manifest.subject.digest, link.digest), referrer);
    }
    for (const tag of tags) await this.#bucket.put(tagKey(repository, tag), JSON.stringify(link));
    await this.#bucket.delete(discardedKey(repository, link.digest));
  }

  /** Takes a tag away; the manifest stays until it is collected. False when there was no such tag. */
  async deleteTag(repository: string, tag: string): Promise<boolean> {
    const link = await this.#json(tagKey(repository, tag), linkSchema);
    if (link === undefined) return false;
    // Before the tag goes: should this process end in between, the tag still keeps the manifest.
    if ((await this.#tagsOf(repository, link.digest)).every((other) => other === tag)) {
      await this.#bucket.put(discardedKey(repository, link.digest), "");
    }
    await this.#bucket.delete(tagKey(repository, tag));
    return true;
  }

  /** True when the last tag of a manifest was deleted, and none has led to it since. */
  async isDiscarded(repository: string, digest: string): Promise<boolean> {
    return (await this.#bucket.head(discardedKey(repository, digest))) !== undefined;
  }

  /** Takes a manifest away, and every tag that leads to it. False when it was not there. */
  async deleteManifest(repository: string, digest: string): Promise<boolean> {
    const stored = await this.read(repository, { digest });
    if (stored === undefined) return false;
    for (const tag of await this.#tagsOf(repository, digest)) await this.#bucket.delete(tagKey(repository, tag));
    await this.unlink(repository, stored);
    return true;
  }

  /** Takes away what leads to a manifest that has no tag. */
  async unlink(repository: string, { link, manifest }: StoredManifest): Promise<void> {
    if (manifest.subject !== undefined) await this.#bucket.delete(referrerKey(repository, manifest.subject.digest, link.digest));
    await this.#bucket.delete(manifestKey(repository, link.digest));
    await this.#bucket.delete(discardedKey(repository, link.digest));
    this.#usage.recount();
  }

  /** The digest of a manifest of the repository that has the blob as its config or a layer; `undefined` when there is none. */
  async userOf(repository: string, blob: string): Promise<string | undefined> {
    for (const digest of await this.#names(manifestKey(repository, ""))) {
      const stored = await this.open(await this.peek(repository, { digest }));
      if (stored?.manifest.kind === "image" && blobsOf(stored.manifest).some((needed) => needed.digest === blob)) return digest;
    }
    return undefined;
  }

  /** The repository's tags, sorted. */
  async tags(repository: string): Promise<string[]> {
    return this.#names(tagKey(repository, ""));
  }

  /** True when the repository holds a manifest. */
  async hasAny(repository: string): Promise<boolean> {
    for await (const _ of this.#bucket.list(manifestKey(repository, ""))) return true;
    return false;
  }

  /** Descriptors of the manifests that have `subject` as their subject. */
  async referrers(repository: string, subject: string): Promise<Referrer[]> {
    const referrers: Referrer[] = [];
    for (const digest of await this.#names(referrerKey(repository, subject, ""))) {
      const referrer = await this.#json(referrerKey(repository, subject, digest), referrerSchema);
      if (referrer !== undefined) referrers.push(referrer);
    }
    return referrers;
  }

  async #tagsOf(repository: string, digest: string): Promise<string[]> {
    const found: string[] = [];
    for (const tag of await this.tags(repository)) {
      if ((await this.#json(tagKey(repository, tag), linkSchema))?.digest === digest) found.push(tag);
    }
    return found;
  }

  async #names(prefix: string): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.#bucket.list(prefix)) names.push(key.slice(prefix.length));
    return names;
  }

  async #json<T>(key: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const object = await this.#bucket.get(key);
    if (object === undefined) return undefined;
    const value = schema.safeParse(await json(object.body));
    if (value.success) return value.data;
    throw new LongshoreError("INTERNAL", `The object ${key} in the bucket is not the link it should be.`, {
      cause: value.error,
      hint: "Delete it and push the image again.",
    });
  }
}

function referrerDescriptor(link: ManifestLink, manifest: Manifest): Referrer {
  const artifactType = manifest.artifactType ?? (manifest.kind === "image" ? manifest.config.mediaType : undefined);
  return { ...link, artifactType, annotations: manifest.annotations };
}
