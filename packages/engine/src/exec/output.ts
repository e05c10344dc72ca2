import type { Readable, Writable } from "node:stream";

/**
 * Copies a process's output to whoever listens, and knows when all of it has been copied. A process that left children behind leaves the pipe open:
 * then what it wrote itself is what was in the pipe at its end, and no more is waited for.
 */
export class OutputCopy {
  /** Resolves when everything that the process wrote has been handed on. */
  readonly done: Promise<void>;
  readonly #source: Readable;
  readonly #available: (() => number) | undefined;
  #left: number | undefined;
  #finish: () => void = () => undefined;

  /** `available` counts the bytes that the kernel holds for `source`, absent, the source ends by itself. */
  constructor(source: Readable, available?: () => number) {
    this.#source = source;
    this.#available = available;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    for (const event of ["end", "close", "error"]) source.once(event, () => this.#finish());
  }

  /** Starts copying. `transform` gives the bytes that go out. A target that is gone gets nothing, and the process is not held up by it. */
  to(target: Writable | undefined, transform: (chunk: Buffer) => Buffer): void {
    this.#source.on("data", (chunk: Buffer) => {
      if (this.#left === undefined || this.#left > 0) this.#hand(chunk, target, transform);
      if (this.#left !== undefined) this.#count(chunk.length);
    });
    target?.once("close", () => this.#source.resume());
  }

  /** The process has ended: what is in the pipe now is the last of it. */
  processEnded(): void {
    const over = this.#source.destroyed || this.#source.readableEnded;
    if (this.#available === undefined && !over) return;
    this.#left = over ? 0 : (this.#available?.() ?? 0) + this.#source.readableLength;
    if (this.#left === 0) this.#finish();
  }

  #hand(chunk: Buffer, target: Writable | undefined, transform: (chunk: Buffer) => Buffer): void {
    if (target === undefined || target.destroyed || target.writableEnded) return;
    if (target.write(transform(chunk))) return;
    this.#source.pause();
    target.once("drain", () => this.#source.resume());
  }

  #count(bytes: number): void {
    this.#left = Math.max(0, (this.#left ?? 0) - bytes);
    if (this.#left === 0) this.#finish();
  }
}
