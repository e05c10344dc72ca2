/** Longer than a container usually takes to its first answer, short enough that little is lost with a killed process. Milliseconds. */
const DELAY_MS = 1000;

/**
 * Writes to the object's storage that no answer depends on, put off for a second. A write stops the whole workerd until the disk has it, a new
 * object's first one for four `fsync`s: between a request and its container there must be none. What is put off together is one transaction.
 *
 * A process that is killed before has not written. What it would have written can be found out or does not matter: whether the container runs is
 * known to the engine, which also ends a container of such a process if nobody asks for it any more.
 */
export class LaterWrites {
  static #ofObject = new WeakMap<DurableObjectState, LaterWrites>();

  /** Those of this object: all its parts share them. */
  static of(ctx: DurableObjectState): LaterWrites {
    let later = LaterWrites.#ofObject.get(ctx);
    if (later === undefined) {
      later = new LaterWrites();
      LaterWrites.#ofObject.set(ctx, later);
    }
    return later;
  }

  #writes = new Map<string, () => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Has `write` called in a second at the latest, in place of an earlier one of the same name that is still to come. */
  put(name: string, write: () => void): void {
    this.#writes.set(name, write);
    this.#timer ??= setTimeout(() => this.#flush(), DELAY_MS);
  }

  /** Forgets a write that is still to come: what it would have written has been overtaken. */
  drop(name: string): void {
    this.#writes.delete(name);
  }

  #flush(): void {
    this.#timer = undefined;
    const writes = [...this.#writes.values()];
    this.#writes.clear();
    for (const write of writes) write();
  }
}
