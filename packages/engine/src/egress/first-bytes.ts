/** What a connection turns out to be by its first bytes. `undefined`: more of them are needed. */
export type Protocol =
  | { readonly kind: "http"; readonly hostname: string | undefined }
  | { readonly kind: "tls"; readonly hostname: string | undefined }
  | { readonly kind: "other" };

/** Heads longer than this are not looked at to their end: no client sends them. */
export const SNIFF_BYTES = 16 * 1024;

const METHOD = /^[A-Z][A-Z-]{0,19} /;
const PARTIAL_METHOD = /^[A-Z][A-Z-]{0,19}$/;
const HANDSHAKE = 0x16;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOSTNAME = /^[a-z0-9._-]{1,253}$/;

/** Tells HTTP/1 and TLS from everything else, and whom they are meant for. The bytes are untrusted. */
export function recognize(bytes: Buffer): Protocol | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] === HANDSHAKE) return recognizeTls(bytes);
  const text = bytes.toString("latin1", 0, SNIFF_BYTES);
  if (!METHOD.test(text)) return PARTIAL_METHOD.test(text) ? undefined : { kind: "other" };
  const end = text.indexOf("\r\n\r\n");
  const lineEnd = text.indexOf("\r\n");
  if (lineEnd >= 0 && !/ HTTP\/1\.[01]$/.test(text.slice(0, lineEnd))) return { kind: "other" };
  if (end < 0) return bytes.length >= SNIFF_BYTES ? { kind: "other" } : undefined;
  return { kind: "http", hostname: hostOf(text.slice(0, end)) };
}

/** Name and port are told apart from the right, since an IPv6 address has colons of its own. */
function hostOf(head: string): string | undefined {
  const [requestLine = "", ...headers] = head.split("\r\n");
  const absolute = /^[A-Z-]+ http:\/\/([^/ ?#]+)/i.exec(requestLine)?.[1];
  const header = headers.find((line) => /^host[ \t]*:/i.test(line));
  const host = absolute ?? header?.slice(header.indexOf(":") + 1).trim();
  return host === undefined ? undefined : plainName(host.replace(/:\d*$/, ""));
}

function recognizeTls(bytes: Buffer): Protocol | undefined {
  if (bytes.length < 3) return undefined;
  if (bytes[1] !== 3) return { kind: "other" };
  const { handshake, over } = handshakeBytes(bytes);
  const name = serverName(handshake);
  if (name === "incomplete") return over || bytes.length >= SNIFF_BYTES ? { kind: "other" } : undefined;
  return name === "invalid" ? { kind: "other" } : { kind: "tls", hostname: name === undefined ? undefined : plainName(name) };
}

/**
 * The handshake messages, out of the records they are cut into; a record that is not all there yet counts as far as it goes. `over`: a record
 * of another kind follows, such as data that a client sends early.
 */
function handshakeBytes(bytes: Buffer): { readonly handshake: Buffer; readonly over: boolean } {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 5 <= bytes.length && bytes[at] === HANDSHAKE) {
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0) break;
    parts.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return { handshake: Buffer.concat(parts), over: at + 5 <= bytes.length };
}

/** The server name extension of a ClientHello (RFC 8446 4.1.2, RFC 6066 3). */
function serverName(hello: Buffer): string | undefined | "incomplete" | "invalid" {
  if (hello.length > 0 && hello[0] !== CLIENT_HELLO) return "invalid";
  if (hello.length < 4) return "incomplete";
  const length = hello.readUIntBE(1, 3);
  if (length > SNIFF_BYTES) return "invalid";
  if (hello.length < 4 + length) return "incomplete";
  const reader = new Reader(hello.subarray(4, 4 + length));
  reader.skip(2 + 32); // version, random
  reader.skip(reader.number(1)); // session id
  reader.skip(reader.number(2)); // cipher suites
  reader.skip(reader.number(1)); // compression methods
  if (reader.failed) return "invalid";
  if (reader.left === 0) return undefined;
  const extensions = new Reader(reader.take(reader.number(2)));
  while (extensions.left > 0 && !extensions.failed) {
    const type = extensions.number(2);
    const content = new Reader(extensions.take(extensions.number(2)));
    if (type !== SERVER_NAME) continue;
    const list = new Reader(content.take(content.number(2)));
    if (list.number(1) !== 0) return "invalid";
    const name = list.take(list.number(2)).toString("latin1");
    return list.failed || content.failed ? "invalid" : name;
  }
  return extensions.failed || reader.failed ? "invalid" : undefined;
}

/** Only what can be a host's name is passed on in a header. */
function plainName(name: string): string | undefined {
  const lower = name.toLowerCase();
  const plain = lower.endsWith(".") ? lower.slice(0, -1) : lower;
  return HOSTNAME.test(plain) || /^\[[0-9a-f:.]+\]$/.test(plain) ? plain : undefined;
}

/** Reads numbers and pieces from a buffer; what is not there makes it fail rather than throw. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  failed = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: 1 | 2): number {
    return this.take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  skip(length: number): void {
    this.take(length);
  }

  take(length: number): Buffer {
    if (length > this.left) {
      this.failed = true;
      this.#at = this.#bytes.length;
      return Buffer.alloc(0);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
