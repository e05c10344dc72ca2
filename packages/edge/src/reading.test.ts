import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { testEdge } from "./fixtures.js";
import { connectReader, giveBack, isLent } from "./reading.js";

/** More than all the kernel's buffers on the way hold. */
const BODY_BYTES = 20_000_000;

/** What the answer to `/<seed>/<piece>` consists of: pieces of that size, each with other bytes. */
function* pieces(seed: number, pieceBytes: number): Generator<Buffer> {
  for (let sent = 0; sent < BODY_BYTES; sent += pieceBytes) {
    const piece = Buffer.alloc(Math.min(pieceBytes, BODY_BYTES - sent), seed);
    for (let index = 0; index + 4 <= piece.length; index += 1_000) piece.writeUInt32LE(sent + index, index);
    yield piece;
  }
}

function digest(seed: number, pieceBytes: number): string {
  const hash = createHash("sha256");
  for (const piece of pieces(seed, pieceBytes)) hash.update(piece);
  return hash.digest("hex");
}

test("answers that wait half-way do not mix with those that pass them", {
  timeout: 180_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "le-"));
  const socketPath = join(directory, "s");
  const worker = createServer((incoming, answer) => void sendPieces(incoming, answer));
  worker.listen(socketPath);
  await once(worker, "listening");
  const upstream = { upstream: () => ({ socketPath }), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  await using front = await testEdge(upstream);
  const sizes = [13_001, 65_536, 200_003];
  for (const withLength of [true, false]) {
    const paths = sizes.map((size, seed) => `/${seed}/${size}/${withLength}`);
    const expected = sizes.map((size, seed) => digest(seed, size));
    // These are stuck half-way while the others pass.
    const stuck = await Promise.all(paths.map((path) => open(front.port, path)));
    const quick = await Promise.all(paths.map((path) => open(front.port, path)));
    assert.deepEqual(await Promise.all(quick.map(receive)), expected);
    assert.deepEqual(await Promise.all(stuck.map(receive)), expected);
  }
  worker.close();
  worker.closeAllConnections();
  await rm(directory, { recursive: true });
});

async function sendPieces(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  const [, seed, size, withLength] = (incoming.url ?? "").split("/");
  if (withLength === "true") answer.setHeader("content-length", BODY_BYTES);
  await pipeline(Readable.from(pieces(Number(seed), Number(size))), answer);
}

/** An answer whose body nobody reads yet. */
async function open(port: number, path: string): Promise<IncomingMessage> {
  const outgoing = request({ host: "127.0.0.1", port, path, headers: { host: "app.localhost" }, agent: false }).end();
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  return answer.pause();
}

async function receive(answer: IncomingMessage): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of answer as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest("hex");
}

test("memory that was given back is read into again; a part that is not the last gives nothing back", { timeout: 180_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "le-"));
  const path = join(directory, "s");
  const peer = createServer();
  peer.removeAllListeners("connection").on("connection", (socket) => void socket.resume());
  peer.listen(path);
  await once(peer, "listening");
  const connected = once(peer, "connection");
  const socket = connectReader(path);
  const [other] = (await connected) as [import("node:net").Socket];
  const next = async (): Promise<Buffer> => {
    other.write(Buffer.alloc(20_000));
    await once(socket, "readable");
    return socket.read() as Buffer;
  };
  const first = await next();
  assert.ok(isLent(first));
  giveBack(first.subarray(0, 10));
  assert.ok(isLent(first), "a part in the middle says nothing of the rest");
  giveBack(first.subarray(10));
  assert.ok(!isLent(first));
  await next();
  assert.equal((await next()).buffer, first.buffer);
  socket.destroy();
  other.destroy();
  peer.close();
  await rm(directory, { recursive: true });
});
