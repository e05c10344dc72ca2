import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { Certificates } from "./certificates.js";
import { ask, http2Session, listenSecurely, secureConnection } from "./fixture-certificates.js";
import { type Platform, testPlatform } from "./fixtures.js";
import { selfSigned } from "./testing/pebble.js";

const MIB = 1024 * 1024;
const WRITE_BYTES = 16 * 1024;
const MOST_BYTES = 16 * MIB;
const host = "app.localhost";
let it: Platform;
let port: number;
before(async () => {
  const certificates = new Certificates();
  certificates.setOwn([selfSigned(host)]);
  it = await testPlatform({ certificates });
  await it.deploy("app", "export default { fetch: () => new Response('fine') };");
  port = await listenSecurely(it.edge);
});
after(() => it[Symbol.asyncDispose]());

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const CONTINUATION = 9;

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without compression of names or values (RFC 7541, 6.2.2). */
function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
}

const REQUEST = Buffer.concat([field(":method", "GET"), field(":scheme", "https"), field(":path", "/"), field(":authority", host)]);
const END_STREAM = 1;
const END_HEADERS = 4;
const CANCEL = Buffer.from([0, 0, 0, 8]);

/** Each makes the `n`th piece of something that has no end. */
const FLOODS: Readonly<Record<string, (n: number) => Buffer>> = {
  "requests that are given up at once": (n) =>
    Buffer.concat([frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, REQUEST), frame(RST_STREAM, 0, 2 * n + 1, CANCEL)]),
  "a head without end": (n) =>
    n === 0
      ? frame(HEADERS, END_STREAM, 1, REQUEST)
      : frame(CONTINUATION, 0, 1, Buffer.concat(Array(20).fill(field("x-more", "y".repeat(100))))),
  "empty pieces of a head": (n) => (n === 0 ? frame(HEADERS, END_STREAM, 1, REQUEST) : frame(CONTINUATION, 0, 1)),
  "heads that are too large": (n) => {
    const large = Buffer.concat([REQUEST, ...Array(130).fill(field("x-more", "y".repeat(120)))]);
    return Buffer.concat([
      frame(HEADERS, END_STREAM, 2 * n + 1, large.subarray(0, 16_000)),
      frame(CONTINUATION, END_HEADERS, 2 * n + 1, large.subarray(16_000)),
    ]);
  },
  settings: () => frame(SETTINGS, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0])),
  "settings with too many entries": () => frame(SETTINGS, 0, 0, Buffer.concat(Array(200).fill(Buffer.from([0, 4, 0, 1, 0, 0])))),
  pings: () => frame(PING, 0, 0, Buffer.alloc(8)),
  "more requests than are allowed": (n) =>
    frame(HEADERS, END_HEADERS, 2 * n + 1, Buffer.concat([REQUEST.subarray(field(":method", "GET").length), field(":method", "PUT")])),
  "data for streams that are not there": (n) => frame(DATA, 0, 2 * n + 1, Buffer.alloc(1000)),
};

/** Writes pieces, many at a time, until the edge ends the connection or reads no more, or has taken {@link MOST_BYTES}. */
async function flood(socket: TLSSocket, piece: (n: number) => Buffer): Promise<"ended" | "read no more" | "taken"> {
  let wake: () => void = () => undefined;
  const event = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  socket.on("error", () => undefined);
  socket.on("close", () => wake());
  socket.on("drain", () => wake());
  // A client of floods reads nothing: what the edge wants to say must not pile up there either.
  socket.pause();
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(SETTINGS, 0, 0)]));
  let written = 0;
  for (let n = 0; !socket.destroyed; ) {
    const pieces: Buffer[] = [];
    for (let size = 0; size < WRITE_BYTES; size += pieces.at(-1)?.length ?? 0) pieces.push(piece(n++));
    const bytes = Buffer.concat(pieces);
    written += bytes.length;
    if (written > MOST_BYTES) return "taken";
    if (socket.write(bytes)) await new Promise(setImmediate);
    else await event(10_000);
    if (socket.writableNeedDrain && !socket.destroyed) return "read no more";
  }
  return "ended";
}

/** Each of these is refused by itself, as bad requests are, and costs no more than one. */
const TAKEN = new Set(["heads that are too large"]);

for (const [name, piece] of Object.entries(FLOODS)) {
  const end = TAKEN.has(name) ? "each is refused" : "the connection ends or is read no more";
  test(`${name}: ${end}, memory stays, and others are served meanwhile`, { timeout: 180_000 }, async () => {
    const before = process.memoryUsage().rss;
    const socket = await secureConnection(port, host, "h2");
    const flooding = flood(socket, piece);
    const other = await http2Session(port, host);
    assert.equal((await ask(other, { ":path": "/" })).text, "fine");
    assert.equal((await flooding) === "taken", TAKEN.has(name));
    assert.equal((await ask(other, { ":path": "/" })).text, "fine");
    other.destroy();
    socket.destroy();
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 150 * MIB, `${Math.round(grown / MIB)} MiB more memory`);
  });
}
