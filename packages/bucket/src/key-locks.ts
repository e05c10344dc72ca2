/** One holder at a time per key, in order of arrival, within this process. */
export class KeyLocks {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `action` when everything asked for earlier on `key` has ended; resolves or rejects as it does. */
  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const { promise: after, resolve: release } = withResolvers();
    this.#tails.set(key, after);
    await before;
    try {
      return await action();
    } finally {
      if (this.#tails.get(key) === after) this.#tails.delete(key);
      release();
    }
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
