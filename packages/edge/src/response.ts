import type { Writable } from "node:stream";

/** What the edge needs of an answer to a client: Node's own `ServerResponse` is one. Its `destroy` cuts the answer short, so that it cannot be taken for a whole one. */
export interface ClientResponse extends Writable {
  readonly headersSent: boolean;
  /** `headers` is a flat list of names and values. They go out with the first byte of the body, or with `flushHeaders`. */
  writeHead(status: number, text: string, headers: string[]): unknown;
  flushHeaders(): void;
  /** Asks for the body that the client holds back. */
  writeContinue(): void;
}
