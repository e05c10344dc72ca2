/**
 * Keeps the garbage collector away from what a push relies on. A client asks which layers are there, sends the others, then the manifest: until
 * then nothing in the bucket says that those layers are needed, so each digest that was asked for, sent or named is safe for a grace period.
 *
 * This is known to this process only. After a start everything is safe for one grace period; a bucket must have one collecting registry.
 */
export class Protection {
  readonly #gracePeriodMs: number;
  readonly #startedAt = Date.now();
  readonly #until = new Map<string, number>();
  readonly #deletions = new Map<string, Promise<void>>();

  constructor(gracePeriodMs: number) {
    this.#gracePeriodMs = gracePeriodMs;
  }

  /** When this resolves, no deletion of the digest is under way, and none begins within the grace period: what is there now stays there. */
  async protect(digest: string): Promise<void> {
    this.#until.set(digest, Date.now() + this.#gracePeriodMs);
    await this.#deletions.get(digest);
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
  }
}
