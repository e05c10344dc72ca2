/** How often in one grace period a push that goes on says so. */
const RENEWALS = 4;

/**
 * Keeps the garbage collector away from what a push relies on. A client asks which layers are there, sends the others, then the manifest: until
 * then nothing in the bucket says that those layers are needed, so each digest that was asked for, sent or named is safe for a grace period, and
 * for as long as bytes of the push arrive.
 *
 * This is known to this process only. After a start everything is safe for one grace period; a bucket must have one collecting registry.
 */
export class Protection {
  readonly #gracePeriodMs: number;
  readonly #startedAt = Date.now();
  readonly #until = new Map<string, number>();
  readonly #byRepository = new Map<string, Set<string>>();
  readonly #deletions = new Map<string, Promise<void>>();

  constructor(gracePeriodMs: number) {
    this.#gracePeriodMs = gracePeriodMs;
  }

  /** When this resolves, no deletion of the digest is under way, and none begins within the grace period: what is there now stays there. */
  async protect(repository: string, digest: string): Promise<void> {
    this.#until.set(digest, Date.now() + this.#gracePeriodMs);
    const digests = this.#byRepository.get(repository) ?? new Set();
    this.#byRepository.set(repository, digests.add(digest));
    await this.#deletions.get(digest);
  }

  /** Passes on the bytes of a push to a repository. While they come, what is protected there stays so: a push may take longer than a grace period. */
  async *during(repository: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let renewed = Date.now();
    for await (const chunk of bytes) {
      const now = Date.now();
      if (now - renewed >= this.#gracePeriodMs / RENEWALS) {
        renewed = now;
        this.#renew(repository, now);
      }
      yield chunk;
    }
    this.#renew(repository, Date.now());
  }

  /** True while nothing named by this digest may be deleted. */
  has(digest: string): boolean {
    const now = Date.now();
    return now < this.#startedAt + this.#gracePeriodMs || now < (this.#until.get(digest) ?? 0);
  }

  /** Deletes what a digest names unless it is protected; says whether it did. */
  async deleteUnlessProtected(digest: string, remove: () => Promise<void>): Promise<boolean> {
    if (this.has(digest)) return false;
    const removal = remove();
    // Whoever waits for the deletion only needs its end; how it ended is the collector's affair.
    const ended = removal.then(
      () => undefined,
      () => undefined,
    );
    this.#deletions.set(digest, ended);
    try {
      await removal;
      return true;
    } finally {
      if (this.#deletions.get(digest) === ended) this.#deletions.delete(digest);
    }
  }

  /** Forgets what has run out, so that memory is bounded by what one grace period sees. */
  prune(): void {
    const now = Date.now();
    for (const [digest, until] of this.#until) if (until <= now) this.#until.delete(digest);
    for (const [repository, digests] of this.#byRepository) {
      for (const digest of digests) if (!this.#until.has(digest)) digests.delete(digest);
      if (digests.size === 0) this.#byRepository.delete(repository);
    }
  }

  #renew(repository: string, now: number): void {
    for (const digest of this.#byRepository.get(repository) ?? []) {
      if ((this.#until.get(digest) ?? 0) > now) this.#until.set(digest, now + this.#gracePeriodMs);
    }
  }
}
