import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { test } from "node:test";
import { testEdge } from "./fixtures.js";

type CollectionEntry = PerformanceEntry & { readonly detail: { readonly kind: number } };

const MIB = 1024 * 1024;
const BODY_BYTES = 300 * MIB;

test("a large body passes without V8 collecting everything again and again", { timeout: 180_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "le-"));
  const socketPath = join(directory, "s");
  const worker = createServer(takeAll);
  worker.listen(socketPath);
  await once(worker, "listening");
  {
    const upstream = { upstream: () => ({ socketPath }), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
    await using front = await testEdge(upstream);
    let collections = 0;
    const note = (entries: PerformanceEntry[]) => {
      const isMajor = (entry: PerformanceEntry) => (entry as CollectionEntry).detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
      collections += entries.filter(isMajor).length;
    };
    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({ entryTypes: ["gc"] });
    assert.equal(await upload(front.port), 204);
    note(observer.takeRecords());
    observer.disconnect();
    // Left to V8 it is some twenty times.
    assert.ok(collections <= 10, `everything was collected ${collections} times`);
  }
  worker.close();
  await rm(directory, { recursive: true });
});

/** A Worker's process that reads a whole request and answers; it takes no memory for that. */
function takeAll(socket: Socket): void {
  let bytes = 0;
  let head = "";
  socket.on("data", (chunk: Buffer) => {
    if (!head.includes("\r\n\r\n")) head += chunk.toString("latin1", 0, Math.min(chunk.length, 2_000));
    bytes += chunk.length;
    if (bytes >= BODY_BYTES + head.indexOf("\r\n\r\n") + 4) socket.end("HTTP/1.1 204 No Content\r\n\r\n");
  });
}

async function upload(port: number): Promise<number | undefined> {
  const headers = { host: "app.localhost", "content-length": BODY_BYTES };
  const outgoing = request({ host: "127.0.0.1", port, method: "POST", headers, agent: false });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  const piece = Buffer.alloc(MIB);
  for (let sent = 0; sent < BODY_BYTES; sent += piece.length) if (!outgoing.write(piece)) await once(outgoing, "drain");
  outgoing.end();
  const [answer] = await answered;
  answer.resume();
  return answer.statusCode;
}
