/** How many of a container's connections are WebSockets now. */
export class OpenSockets {
  #open = 0;
  readonly #watchers = new Set<(open: number) => void>();

  get open(): number {
    return this.#open;
  }

  /** One was opened. The returned function says that it has closed; calling it again does nothing. */
  opened(): () => void {
    this.#change(1);
    let open = true;
    return () => {
      if (open) this.#change(-1);
      open = false;
    };
  }

  /** Calls `watcher` with each new number, until disposed. */
  watch(watcher: (open: number) => void): Disposable {
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  #change(by: number): void {
    this.#open += by;
    for (const watcher of [...this.#watchers]) watcher(this.#open);
  }
}
