import { createHash } from "node:crypto";
import { R2Error } from "../errors.js";
import { type Claims, sameText, sha256, signText } from "./signature.js";

/** The head of a chunk, or a line of the trailer. */
const LONGEST_LINE = 16 * 1024;

/** The body that S3 clients send in chunks with a signature each, with trailing headers, or both (`Content-Encoding: aws-chunked`). */
export interface ChunkedBody {
  readonly body: AsyncIterable<Buffer>;
  /** Complete when the body has been read to its end. */
  readonly trailers: ReadonlyMap<string, string>;
}

/** `signing` is given where each chunk has a signature. Errors, while it is read: `SignatureDoesNotMatch`, `IncompleteBody`. */
export function decodeChunked(
  source: AsyncIterable<Buffer>,
  signing: { readonly claims: Claims; readonly secret: string } | undefined,
): ChunkedBody {
  const trailers = new Map<string, string>();
  const chain = signing === undefined ? undefined : new SignatureChain(signing.claims, signing.secret);
  return { body: decodeAndLetGo(new Reader(source), chain, trailers), trailers };
}

/** The source is let go of whatever happens: else what is left of it could not be thrown away, and the client would wait. */
async function* decodeAndLetGo(reader: Reader, chain: SignatureChain | undefined, trailers: Map<string, string>): AsyncGenerator<Buffer> {
  try {
    yield* decode(reader, chain, trailers);
  } finally {
    await reader.letGo();
  }
}

async function* decode(reader: Reader, chain: SignatureChain | undefined, trailers: Map<string, string>): AsyncGenerator<Buffer> {
  for (;;) {
    const [, size = "", signature] = /^([0-9a-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(await reader.line()) ?? [];
    if (size === "") throw new R2Error("IncompleteBody", "The chunks of the body cannot be read.");
    const hash = createHash("sha256");
    let left = Number.parseInt(size, 16);
    const last = left === 0;
    while (left > 0) {
      const piece = await reader.upTo(left);
      left -= piece.length;
      if (chain !== undefined) hash.update(piece);
      yield piece;
    }
    chain?.chunk(hash.digest("hex"), signature ?? "");
    if (last) break;
    if ((await reader.line()) !== "") throw new R2Error("IncompleteBody", "A chunk of the body has another length than it says.");
  }
  let signed = "";
  for (let line = await reader.lastLine(); line !== ""; line = await reader.lastLine()) {
    const [name = "", value = ""] = line.split(/:(.*)/s).map((part) => part.trim());
    if (name.toLowerCase() === "x-amz-trailer-signature") chain?.trailer(sha256(signed), value);
    else {
      trailers.set(name.toLowerCase(), value);
      signed += `${name.toLowerCase()}:${value}\n`;
    }
  }
  // What no signature was seen for counts for nothing.
  if (chain !== undefined && !chain.trailerSigned) trailers.clear();
}

/** Each signature is over the one before: no chunk can be left out, added or moved. */
class SignatureChain {
  readonly #claims: Claims;
  readonly #secret: string;
  #previous: string;
  trailerSigned = false;

  constructor(claims: Claims, secret: string) {
    this.#claims = claims;
    this.#secret = secret;
    this.#previous = claims.signature;
  }

  chunk(hash: string, signature: string): void {
    this.#check("AWS4-HMAC-SHA256-PAYLOAD", [sha256(""), hash], signature);
  }

  trailer(hash: string, signature: string): void {
    this.#check("AWS4-HMAC-SHA256-TRAILER", [hash], signature);
    this.trailerSigned = true;
  }

  #check(kind: string, hashes: readonly string[], signature: string): void {
    const { timestamp, scope } = this.#claims;
    const expected = signText(this.#secret, this.#claims, [kind, timestamp, scope, this.#previous, ...hashes].join("\n"));
    if (!sameText(expected, signature)) throw new R2Error("SignatureDoesNotMatch");
    this.#previous = expected;
  }
}

/** Bytes as they come, taken by lines and by pieces. */
class Reader {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async letGo(): Promise<void> {
    await this.#source.return?.();
  }

  /** At least one byte, at most `bytes`. */
  async upTo(bytes: number): Promise<Buffer> {
    if (this.#held.length === 0 && !(await this.#more())) throw new R2Error("IncompleteBody");
    const piece = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(piece.length);
    return piece;
  }

  /** Without its end. */
  async line(): Promise<string> {
    const line = await this.#untilEnd();
    if (line === undefined) throw new R2Error("IncompleteBody");
    return line;
  }

  /** As {@link line}; the end of the body counts as an empty one. */
  async lastLine(): Promise<string> {
    return (await this.#untilEnd()) ?? "";
  }

  async #untilEnd(): Promise<string | undefined> {
    for (;;) {
      const end = this.#held.indexOf("\n");
      if (end >= 0) {
        const line = this.#held.toString("latin1", 0, end);
        this.#held = this.#held.subarray(end + 1);
        return line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      if (this.#held.length > LONGEST_LINE) throw new R2Error("IncompleteBody", "The chunks of the body cannot be read.");
      if (!(await this.#more())) return this.#held.length === 0 ? undefined : this.#held.toString("latin1");
    }
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done === true) return false;
    this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    return true;
  }
}
