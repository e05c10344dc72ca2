import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { passedThrough } from "./young-memory.js";

/** The client sent nothing of its body for too long, although we were reading. */
export class UploadStalled extends Error {
  override readonly name = "UploadStalled";
}

/**
 * A request's body on its way to workerd, with backpressure to the client. It shields the request: whatever becomes of the upstream connection, the
 * client's stays usable for the answer. Nothing is read before the first byte is wanted, so an attempt that found no connection can be repeated.
 */
export class RequestBody extends Readable {
  readonly #request: IncomingMessage;
  readonly #idleMs: number;
  readonly #onStart: () => void;
  #started = false;
  #idle: NodeJS.Timeout | undefined;

  /** `idleMs`: the longest pause of the client, in milliseconds. `onStart` is called when the first byte is wanted. */
  constructor(request: IncomingMessage, idleMs: number, onStart: () => void) {
    super();
    this.#request = request;
    this.#idleMs = idleMs;
    this.#onStart = onStart;
  }

  get started(): boolean {
    return this.#started;
  }

  override _read(): void {
    if (!this.#started) {
      this.#started = true;
      this.#onStart();
      this.#request.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onError).on("close", this.#onClose);
    }
    this.#idle ??= setTimeout(() => this.destroy(new UploadStalled()), this.#idleMs);
    this.#request.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#detach();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    passedThrough(chunk.length);
    if (this.push(chunk)) {
      this.#idle?.refresh();
      return;
    }
    this.#request.pause();
    clearTimeout(this.#idle);
    this.#idle = undefined;
  };

  readonly #onEnd = (): void => {
    this.#detach();
    this.push(null);
  };

  readonly #onError = (error: Error): void => {
    this.destroy(error);
  };

  readonly #onClose = (): void => {
    if (!this.#request.complete) this.destroy(new Error("The client went away in the middle of its request."));
  };

  #detach(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    this.#request.off("data", this.#onData).off("end", this.#onEnd).off("error", this.#onError).off("close", this.#onClose);
  }
}
