import type { Dispatcher, Pool } from "undici";
import { DONE, type Outcome } from "./exchange.js";
import { responseHeaders } from "./headers.js";
import { giveBack, isLent } from "./reading.js";
import type { ClientResponse } from "./response.js";

export interface ForwardedRequest {
  readonly method: string;
  readonly path: string;
  /** Flat list of names and values, all that workerd is to see. */
  readonly headers: string[];
  readonly ray: string;
}

/** A body of up to so many bytes is cheaper to copy than to write apart from its head. */
const SHORT_BYTES = 4096;

/** Passes on a request that has no body, over kept connections. The answer streams to the client as fast as it is read there. */
export function forward(pool: Pool, request: ForwardedRequest, response: ClientResponse): Promise<Outcome> {
  return new Promise((resolve) => {
    const { method, path, headers } = request;
    pool.dispatch({ method: method as Dispatcher.HttpMethod, path, headers }, new Forwarding(request, response, resolve));
  });
}

/** undici's handler interface that hands out headers as they came; the newer one folds them into an object first. */
class Forwarding implements Dispatcher.DispatchHandler {
  readonly #request: ForwardedRequest;
  readonly #response: ClientResponse;
  readonly #settle: (outcome: Outcome) => void;
  #abort: (() => void) | undefined;
  #begun = false;
  #settled = false;

  constructor(request: ForwardedRequest, response: ClientResponse, settle: (outcome: Outcome) => void) {
    this.#request = request;
    this.#response = response;
    this.#settle = settle;
    response.once("close", this.#onClose);
  }

  onConnect(abort: () => void): void {
    this.#abort = abort;
    if (this.#response.destroyed) abort();
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200) return true;
    const response = this.#response;
    const names = raw.map((part) => part.toString("latin1"));
    response.writeHead(status, statusText, responseHeaders(names, connectionOf(names), this.#request.ray));
    response.on("drain", resume);
    // A stream's first chunk may be long in coming, but the head of a short answer goes out together with its body.
    process.nextTick(() => {
      if (!this.#begun && !this.#settled) response.flushHeaders();
    });
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.#begun = true;
    // As text the head and a short body are one piece of memory, and one write: two would cost the kernel twice the work.
    if (chunk.length < SHORT_BYTES) return this.#response.write(chunk.toString("latin1"), "latin1");
    if (!isLent(chunk)) return this.#response.write(chunk);
    return this.#response.write(chunk, (error) => {
      if (!error) giveBack(chunk);
    });
  }

  onComplete(): void {
    this.#finish(DONE);
    this.#response.end();
  }

  onError(error: Error): void {
    const response = this.#response;
    // Cut short, so that it cannot be taken for a whole answer.
    if (response.headersSent) response.destroy();
    this.#finish(response.destroyed ? DONE : { kind: "failed", error, sent: this.#abort !== undefined });
  }

  #finish(outcome: Outcome): void {
    this.#settled = true;
    this.#response.off("close", this.#onClose);
    this.#settle(outcome);
  }

  readonly #onClose = (): void => {
    this.#abort?.();
  };
}

function connectionOf(headers: readonly string[]): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === "connection") return headers[index + 1];
  }
  return undefined;
}
