import { createReadStream } from "node:fs";
import { type Bucket, type BucketObject, blobKey, type ObjectInfo, repositoryBlobKey } from "@longshore/contract";
import type { AccountUsage } from "./account-usage.js";
import type { Protection } from "./protection.js";

/** The blobs of all repositories: one copy of the bytes, and a link per repository that may serve them. */
export class BlobStore {
  readonly #bucket: Bucket;
  readonly #protection: Protection;
  readonly #usage: AccountUsage;

  constructor(bucket: Bucket, protection: Protection, usage: AccountUsage) {
    this.#bucket = bucket;
    this.#protection = protection;
    this.#usage = usage;
  }

  /** What is known of a blob; `undefined` when the repository has none such. Whoever asks may rely on it for a grace period. */
  async find(repository: string, digest: string): Promise<ObjectInfo | undefined> {
    const link = repositoryBlobKey(repository, digest);
    if ((await this.#bucket.head(link)) === undefined) return undefined;
    await this.#protection.protect(repository, digest);
    // Again, because it may have been deleted just before.
    const [linked, blob] = await Promise.all([this.#bucket.head(link), this.#bucket.head(blobKey(digest))]);
    return linked === undefined ? undefined : blob;
  }

  /** The bytes of a blob that {@link find} has found; `undefined` when it was deleted since. */
  async read(digest: string, range?: { start: number; end: number }): Promise<BucketObject | undefined> {
    return this.#bucket.get(blobKey(digest), range);
  }

  /** The bytes of an upload as they come: while they do, nothing that the push relies on is collected. Errors: `DENIED` beyond the account's quota. */
  async *arriving(repository: string, size: number, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let arrived = size;
    for await (const chunk of this.#protection.during(repository, bytes)) {
      arrived += chunk.length;
      await this.#usage.checkRoom(repository, arrived);
      yield chunk;
    }
  }

  /**
   * Adds a local file of `size` bytes whose digest has been checked.
   * Errors: `NO_SPACE`, `DENIED` beyond the account's quota; then the repository has no such blob unless it had it before.
   */
  async add(repository: string, digest: string, path: string, size: number): Promise<void> {
    await this.#usage.counted(repository, digest, size, () => this.#add(repository, digest, path));
  }

  /** Lets a repository serve a blob that `from` has; false when `from` does not have it. Errors: `DENIED` beyond the account's quota. */
  async mount(repository: string, digest: string, from: string): Promise<boolean> {
    return this.#mount(repository, digest, await this.find(from, digest));
  }

  /** Lets a repository serve a blob that any repository of its account has; false when none has it. */
  async mountWithinAccount(repository: string, digest: string): Promise<boolean> {
    if (!(await this.#usage.has(repository, digest))) return false;
    await this.#protection.protect(repository, digest);
    return this.#mount(repository, digest, await this.#bucket.head(blobKey(digest)));
  }

  /** Takes a blob away from a repository. */
  async delete(repository: string, digest: string): Promise<void> {
    await this.#bucket.delete(repositoryBlobKey(repository, digest));
    this.#usage.recount();
  }

  async #mount(repository: string, digest: string, blob: ObjectInfo | undefined): Promise<boolean> {
    if (blob === undefined) return false;
    await this.#protection.protect(repository, digest);
    await this.#usage.counted(repository, digest, blob.size, () => this.#link(repository, digest));
    return true;
  }

  async #add(repository: string, digest: string, path: string): Promise<void> {
    await this.#protection.protect(repository, digest);
    const link = repositoryBlobKey(repository, digest);
    const linkedBefore = (await this.#bucket.head(link)) !== undefined;
    // The link first: it is what may still find no room after the blob has moved in, and nothing would ever lead to that blob.
    if (!linkedBefore) await this.#link(repository, digest);
    try {
      if ((await this.#bucket.head(blobKey(digest))) === undefined) await this.#adopt(digest, path);
    } catch (error) {
      if (!linkedBefore) await this.#bucket.delete(link);
      throw error;
    }
    // Somebody may have deleted the link that was there before.
    if (linkedBefore && (await this.#bucket.head(link)) === undefined) await this.#link(repository, digest);
  }

  async #link(repository: string, digest: string): Promise<void> {
    await this.#bucket.put(repositoryBlobKey(repository, digest), "{}");
  }

  async #adopt(digest: string, path: string): Promise<void> {
    const key = blobKey(digest);
    if (this.#bucket.putFile !== undefined) await this.#bucket.putFile(key, path);
    else await this.#bucket.put(key, createReadStream(path));
  }
}
