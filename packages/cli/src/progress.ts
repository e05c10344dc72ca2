const WIDTH = 30;
const REDRAW_MS = 100;
const MB = 1_000_000;

/** A line on standard error that shows how far something is; nothing where that is no terminal. Disposing ends the line. */
export class ProgressBar implements Disposable {
  readonly #label: string;
  readonly #began = performance.now();
  readonly #shown = process.stderr.isTTY === true;
  #drawn = 0;

  constructor(label: string) {
    this.#label = label;
  }

  /** `done` of `total` bytes. */
  readonly update = (done: number, total: number): void => {
    const now = performance.now();
    if (!this.#shown || (done < total && now - this.#drawn < REDRAW_MS)) return;
    this.#drawn = now;
    const part = total === 0 ? 1 : done / total;
    const full = Math.round(part * WIDTH);
    const speed = done / MB / Math.max(0.001, (now - this.#began) / 1000);
    const numbers = `${(done / MB).toFixed(0)} of ${(total / MB).toFixed(0)} MB, ${speed.toFixed(0)} MB/s`;
    process.stderr.write(`\r\x1b[K${this.#label} [${"#".repeat(full)}${" ".repeat(WIDTH - full)}] ${Math.floor(part * 100)} %  ${numbers}`);
  };

  [Symbol.dispose](): void {
    if (this.#drawn > 0) process.stderr.write("\n");
    this.#drawn = 0;
  }
}
