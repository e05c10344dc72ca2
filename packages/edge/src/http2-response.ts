import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { Writable } from "node:stream";
import type { ClientResponse } from "./response.js";

/** Headers that do not exist in HTTP/2 (RFC 9113, 8.2.2). */
const NOT_IN_HTTP2 = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

/** An answer on a stream of HTTP/2, written like one of HTTP/1. */
export class Http2Response extends Writable implements ClientResponse {
  readonly #stream: ServerHttp2Stream;
  readonly #toHead: boolean;
  #status = 0;
  #head: OutgoingHttpHeaders | undefined;

  /** `toHead`: the request is a `HEAD`, and its answer has no body. */
  constructor(stream: ServerHttp2Stream, toHead: boolean) {
    super({ decodeStrings: true });
    this.#stream = stream;
    this.#toHead = toHead;
    stream.once("close", () => this.destroy());
    // A stream that breaks is the client's business, and closes; whoever writes to it sees that.
    this.on("error", () => undefined);
  }

  get headersSent(): boolean {
    return this.#status !== 0;
  }

  writeHead(status: number, _text: string, headers: readonly string[]): this {
    this.#status = status;
    this.#head = { ":status": status, ...http2Headers(headers) };
    return this;
  }

  flushHeaders(): void {
    this.#respond(false);
  }

  writeContinue(): void {
    if (!this.#stream.destroyed && !this.headersSent) this.#stream.additionalHeaders({ ":status": 100 });
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#respond(false);
    if (this.#hasNoBody() || this.#stream.closed) callback();
    else this.#stream.write(chunk, encoding, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#respond(true);
    if (!this.#stream.writableEnded) this.#stream.end();
    // The rest of a request that nobody reads: the client need not send it (RFC 9113, 8.1).
    if (!this.#stream.readableEnded) this.#stream.close(constants.NGHTTP2_NO_ERROR);
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.writableFinished && !this.#stream.closed) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    callback(error);
  }

  #respond(endStream: boolean): void {
    const head = this.#head;
    if (head === undefined || this.#stream.destroyed || this.#stream.closed) return;
    this.#head = undefined;
    try {
      this.#stream.respond(head, { endStream: endStream || this.#hasNoBody() });
    } catch {
      // A Worker's header that HTTP/2 has no form for: no answer is better than a wrong one.
      this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  #hasNoBody(): boolean {
    return this.#toHead || this.#status === 204 || this.#status === 205 || this.#status === 304;
  }
}

/** Node.js takes several values of one header only from an object, and refuses them for headers that have one value at most. */
export function http2Headers(headers: readonly string[]): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = {};
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = (headers[index] ?? "").toLowerCase();
    const value = headers[index + 1] ?? "";
    if (NOT_IN_HTTP2.has(name)) continue;
    const before = kept[name];
    if (before === undefined) kept[name] = name === "set-cookie" ? [value] : value;
    else if (Array.isArray(before)) before.push(value);
    else if (!ONE_VALUE.has(name)) kept[name] = `${before}, ${value}`;
  }
  return kept;
}

/** Joined values would make no sense; the first one counts. */
const ONE_VALUE = new Set(["content-length", "content-type", "date", "etag", "expires", "last-modified", "location", "retry-after"]);
