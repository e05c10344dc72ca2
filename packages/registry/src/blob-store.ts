import { createReadStream } from "node:fs";
import { type Bucket, type BucketObject, blobKey, type ObjectInfo, repositoryBlobKey } from "@longshore/contract";
import type { Protection } from "./protection.js";

/** The blobs of all repositories: one copy of the bytes, and a link per repository that may serve them. */
export class BlobStore {
  readonly #bucket: Bucket;
  readonly #protection: Protection;

  constructor(bucket: Bucket, protection: Protection) {
    this.#bucket = bucket;
    this.#protection = protection;
  }

  /** What is known of a blob; `undefined` when the repository has none such. Whoever asks may rely on it for a grace period. */
  async find(repository: string, digest: string): Promise<ObjectInfo | undefined> {
    await this.#protection.protect(digest);
    const [link, blob] = await Promise.all([this.#bucket.head(repositoryBlobKey(repository, digest)), this.#bucket.head(blobKey(digest))]);
    return link === undefined ? undefined : blob;
  }

  /** The bytes of a blob that {@link find} has found; `undefined` when it was deleted since. */
  async read(digest: string, range?: { start: number; end: number }): Promise<BucketObject | undefined> {
    return this.#bucket.get(blobKey(digest), range);
  }

  /** Adds a local file whose digest has been checked. Errors: `NO_SPACE`; then the repository has no such blob unless it had it before. */
  async add(repository: string, digest: string, path: string): Promise<void> {
    await this.#protection.protect(digest);
    const link = repositoryBlobKey(repository, digest);
    const linkedBefore = (await this.#bucket.head(link)) !== undefined;
    // The link first: it is what may still find no room after the blob has moved in, and nothing would ever lead to that blob.
    if (!linkedBefore) await this.#bucket.put(link, "{}");
    try {
      if ((await this.#bucket.head(blobKey(digest))) === undefined) await this.#adopt(digest, path);
    } catch (error) {
      if (!linkedBefore) await this.#bucket.delete(link);
      throw error;
    }
  }

  /** Lets `to` serve a blob that `from` has; false when `from` does not have it. */
  async mount(from: string, to: string, digest: string): Promise<boolean> {
    if ((await this.find(from, digest)) === undefined) return false;
    await this.#bucket.put(repositoryBlobKey(to, digest), "{}");
    return true;
  }

  async #adopt(digest: string, path: string): Promise<void> {
    const key = blobKey(digest);
    if (this.#bucket.putFile !== undefined) await this.#bucket.putFile(key, path);
    else await this.#bucket.put(key, createReadStream(path));
  }
}
