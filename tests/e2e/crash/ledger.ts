/** What one client wrote to one place, which is written again and again. */
interface Place {
  acknowledged: number | undefined;
  /** Writes after that which failed: each of them may have happened, or not. */
  open: number[];
}

/** What a client must find after whatever happened: the last acknowledged write, or one that was begun after it. */
export class Ledger {
  readonly #places = new Map<string, Place>();
  /** Writes that were acknowledged, and those that were not. */
  acknowledged = 0;
  failed = 0;

  get places(): string[] {
    return [...this.#places.keys()];
  }

  async write(place: string, n: number, write: () => Promise<void>): Promise<void> {
    const known = this.#places.get(place) ?? { acknowledged: undefined, open: [] };
    this.#places.set(place, known);
    known.open.push(n);
    try {
      await write();
    } catch {
      this.failed++;
      return;
    }
    this.acknowledged++;
    known.acknowledged = n;
    known.open = [];
  }

  /** What is wrong with what was found there; `undefined` when nothing is. */
  verdict(place: string, found: number | undefined): string | undefined {
    const { acknowledged, open } = this.#places.get(place) ?? { acknowledged: undefined, open: [] };
    if (found === acknowledged || (found !== undefined && open.includes(found))) return undefined;
    return `${place}: found ${found}, acknowledged was ${acknowledged}, unknown are ${open.join(", ") || "none"}`;
  }
}
