export interface Asker<T> {
  /** Asks once; `undefined`: not yet. */
  attempt(): Promise<T | undefined> | T | undefined;
  /** The time between two attempts. */
  pause(): Promise<void>;
  /** Whoever asks has gone. */
  readonly signal: AbortSignal;
}

/**
 * Of all who wait for the same thing, the first asks again and again, and the others ask when it has an answer: a crowd that asked by itself
 * would keep the engine busy. When the first goes, the next takes its place.
 */
export class WaitingLine {
  /** What is waited for → resolves when its first has gone: with an answer (`true`) or without. */
  readonly #firsts = new Map<number, Promise<boolean>>();

  /** The first answer; `undefined` when whoever asks has gone. */
  async answer<T>(key: number, asker: Asker<T>): Promise<T | undefined> {
    while (!asker.signal.aborted) {
      const answer = await asker.attempt();
      if (answer !== undefined) return answer;
      let news = false;
      while (!news && !asker.signal.aborted) {
        const first = this.#firsts.get(key);
        if (first === undefined) return await this.#ask(key, asker);
        news = await first;
      }
    }
    return undefined;
  }

  async #ask<T>(key: number, { attempt, pause, signal }: Asker<T>): Promise<T | undefined> {
    let leave: (answered: boolean) => void = () => undefined;
    const left = new Promise<boolean>((resolve) => {
      leave = resolve;
    });
    this.#firsts.set(key, left);
    let answer: T | undefined;
    try {
      while (answer === undefined && !signal.aborted) {
        await pause();
        if (!signal.aborted) answer = await attempt();
      }
      return answer;
    } finally {
      this.#firsts.delete(key);
      leave(answer !== undefined);
    }
  }
}
