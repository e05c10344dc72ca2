import { Readable } from "node:stream";
import { type Page, tooLarge, uploadStalled } from "./pages.js";
import { passedThrough } from "./young-memory.js";

/** The client's fault, and what it is told. */
export class ClientFault extends Error {
  override readonly name = "ClientFault";
  readonly page: Page;

  constructor(page: Page) {
    super(page.text);
    this.page = page;
  }
}

export interface BodyOptions {
  /** True once the client has sent all of it. */
  readonly whole: () => boolean;
  /** Longest pause of the client, in milliseconds. */
  readonly idleMs: number;
  /** Least average while the client is waited for; 0: any. */
  readonly bytesPerSecond: number;
  /** How long a slow start is forgiven, in milliseconds. Default: 10,000. */
  readonly graceMs?: number;
  readonly maxBytes: number;
  /** Called when the first byte is wanted. */
  readonly onStart: () => void;
}

const SLOW_START_MS = 10_000;

/**
 * A request's body on its way to workerd, with backpressure to the client. It shields the request: whatever becomes of the upstream connection, the
 * client's stays usable for the answer. Nothing is read before the first byte is wanted, so an attempt that found no connection can be repeated.
 */
export class RequestBody extends Readable {
  readonly #source: Readable;
  readonly #options: BodyOptions;
  #started = false;
  #idle: NodeJS.Timeout | undefined;
  #bytes = 0;
  /** Time spent waiting for the client, and since when it is waited for now, in milliseconds. */
  #waitedMs = 0;
  #waitingSince: number | undefined;

  constructor(source: Readable, options: BodyOptions) {
    super();
    this.#source = source;
    this.#options = options;
  }

  get started(): boolean {
    return this.#started;
  }

  override _read(): void {
    if (!this.#started) {
      this.#started = true;
      this.#options.onStart();
      this.#source.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onError).on("close", this.#onClose);
    }
    this.#idle ??= setTimeout(() => this.destroy(new ClientFault(uploadStalled)), this.#options.idleMs);
    if (this.#options.bytesPerSecond > 0) this.#waitingSince ??= performance.now();
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#detach();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    passedThrough(chunk.length);
    this.#bytes += chunk.length;
    if (this.#bytes > this.#options.maxBytes) {
      this.destroy(new ClientFault(tooLarge(this.#options.maxBytes)));
      return;
    }
    if (this.#waitingSince !== undefined && this.#isTooSlow(this.#waitingSince)) {
      this.destroy(new ClientFault(uploadStalled));
      return;
    }
    if (this.push(chunk)) {
      this.#idle?.refresh();
      return;
    }
    this.#source.pause();
    clearTimeout(this.#idle);
    this.#idle = undefined;
    this.#waitingSince = undefined;
  };

  /** Only time in which we wanted to read counts: a slow Worker is not the client's fault. */
  #isTooSlow(since: number): boolean {
    const now = performance.now();
    this.#waitedMs += now - since;
    this.#waitingSince = now;
    return this.#waitedMs > (this.#options.graceMs ?? SLOW_START_MS) && this.#bytes * 1000 < this.#options.bytesPerSecond * this.#waitedMs;
  }

  readonly #onEnd = (): void => {
    this.#detach();
    this.push(null);
  };

  readonly #onError = (error: Error): void => {
    this.destroy(error);
  };

  readonly #onClose = (): void => {
    if (!this.#options.whole()) this.destroy(new Error("The client went away in the middle of its request."));
  };

  #detach(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    this.#source.off("data", this.#onData).off("end", this.#onEnd).off("error", this.#onError).off("close", this.#onClose);
  }
}
