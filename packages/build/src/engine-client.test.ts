import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { loadArchive } from "./engine-client.js";

/** More than any buffer on the way takes, so that the sender is still at it when something happens. */
const archive = () => Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(1024 * 1024)));

async function loadInto(engine: RequestListener, image: Readable): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "longshore-load-"));
  const socket = join(directory, "engine.sock");
  const server = createServer(engine).listen(socket);
  await once(server, "listening");
  try {
    await loadArchive(socket, image);
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true });
  }
}

const unavailable = (message: RegExp) => (error: unknown) =>
  error instanceof LongshoreError && error.code === "UNAVAILABLE" && message.test(error.message);

test("an image is given to the engine whole; an engine that ends or refuses meanwhile is an error in words, and nothing is left open", async () => {
  let received = 0;
  const takes: RequestListener = (request, response) => {
    request.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    request.once("end", () => response.end("{}"));
  };
  await loadInto(takes, archive());
  assert.equal(received, 64 * 1024 * 1024);

  const ended = archive();
  await assert.rejects(
    loadInto((request) => request.once("data", () => request.socket.destroy()), ended),
    unavailable(/^The engine at \S+ did not answer/),
  );
  const refused = archive();
  await assert.rejects(
    loadInto((_request, response) => response.writeHead(507).end("The disk is full."), refused),
    unavailable(/could not take the image \(HTTP 507\): The disk is full\./),
  );
  assert.deepEqual([ended.destroyed, refused.destroyed], [true, true]);
});
