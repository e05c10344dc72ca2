import { type Bucket, blobKey } from "@longshore/contract";
import { RegistryError } from "./errors.js";
import { repositoryEntries } from "./repository-entries.js";

/** So many sizes are asked for at once. */
const BATCH = 64;

/** Which blobs an account's repositories have, each once, and their bytes together. */
interface Holdings {
  readonly sizes: Map<string, number>;
  total: number;
  largest: number;
}

/**
 * What the images of each account take, and how much they may: the bytes of every blob and manifest that its repositories lead to, each digest
 * counted once. An account is the first part of a repository's name. Counted from the bucket at the first push, then kept in step.
 */
export class AccountUsage {
  readonly #bucket: Bucket;
  readonly #limitBytes: number;
  readonly #accounts = new Map<string, Promise<Holdings>>();

  constructor(bucket: Bucket, limitBytes: number) {
    this.#bucket = bucket;
    this.#limitBytes = limitBytes;
  }

  /** True when another repository of the same account has the blob, or had it when that was last counted. */
  async has(repository: string, digest: string): Promise<boolean> {
    return (await this.#holdings(repository)).sizes.has(digest);
  }

  /** Errors: `DENIED` (403) when an upload that has come to so many bytes can find no room any more, even if it were one of the account's blobs. */
  async checkRoom(repository: string, bytes: number): Promise<void> {
    const { total, largest } = await this.#holdings(repository);
    if (total + bytes > this.#limitBytes && bytes > largest) throw await this.#refusal(repository, bytes);
  }

  /** Counts a blob, and stores it with `store`. Errors: `DENIED` (403) when the account would have more than it may; those of `store`. */
  async counted(repository: string, digest: string, size: number, store: () => Promise<void>): Promise<void> {
    const holdings = await this.#holdings(repository);
    if (!holdings.sizes.has(digest) && holdings.total + size > this.#limitBytes) throw await this.#refusal(repository, size);
    add(holdings, digest, size);
    try {
      await store();
    } catch (error) {
      this.#accounts.delete(accountOf(repository));
      throw error;
    }
    // It may have been counted anew meanwhile.
    add(await this.#holdings(repository), digest, size);
  }

  /** Something was deleted: accounts are counted anew when they next push. */
  recount(): void {
    this.#accounts.clear();
  }

  #holdings(repository: string): Promise<Holdings> {
    const account = accountOf(repository);
    const known = this.#accounts.get(account);
    if (known !== undefined) return known;
    const counting = this.#count(account);
    this.#accounts.set(account, counting);
    counting.catch(() => this.#accounts.delete(account));
    return counting;
  }

  async #count(account: string): Promise<Holdings> {
    const digests = new Set<string>();
    for await (const entry of repositoryEntries(this.#bucket, `${account}/`)) if (entry.kind !== "tag") digests.add(entry.digest);
    const holdings: Holdings = { sizes: new Map(), total: 0, largest: 0 };
    const all = [...digests];
    for (let start = 0; start < all.length; start += BATCH) {
      const batch = all.slice(start, start + BATCH);
      const found = await Promise.all(batch.map((digest) => this.#bucket.head(blobKey(digest))));
      for (const [index, digest] of batch.entries()) {
        const size = found[index]?.size;
        if (size !== undefined) add(holdings, digest, size);
      }
    }
    return holdings;
  }

  async #refusal(repository: string, bytes: number): Promise<RegistryError> {
    const { total } = await this.#holdings(repository);
    const message =
      `The images of account ${accountOf(repository)} take ${amount(total)} of the ${amount(this.#limitBytes)} that an account may have; ` +
      `another ${amount(bytes)} do not fit.`;
    return new RegistryError("DENIED", message, {
      hint: "Delete images with `wrangler containers images delete`, or have the operator raise --image-storage-gb.",
      details: { usedBytes: total, limitBytes: this.#limitBytes },
    });
  }
}

function accountOf(repository: string): string {
  return repository.split("/", 1)[0] ?? "";
}

function add(holdings: Holdings, digest: string, size: number): void {
  if (holdings.sizes.has(digest)) return;
  holdings.sizes.set(digest, size);
  holdings.total += size;
  holdings.largest = Math.max(holdings.largest, size);
}

/** Rounded up, since it is said where something does not fit. */
function amount(bytes: number): string {
  const [unit, name] = bytes >= 1e9 ? [1e9, "GB"] : bytes >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  return `${Math.ceil((bytes / unit) * 10) / 10} ${name}`;
}
