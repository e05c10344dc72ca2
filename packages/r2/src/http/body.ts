import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { R2Error } from "../errors.js";

/** How long a client may go on sending after it was answered, before its connection is closed. */
const LINGER_MS = 60_000;

/** The bytes of a request as they come. Stopping early leaves the connection open, so that an answer can still be sent. */
export function bodyOf(request: IncomingMessage): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) };
}

/** The whole of a body. Errors: `EntityTooLarge` for more than `limit` bytes. */
export async function readWhole(body: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) throw new R2Error("EntityTooLarge");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The first `bytes` of a body, and the rest of it. Errors: `IncompleteBody`. */
export async function splitBody(body: AsyncIterable<Buffer>, bytes: number): Promise<{ head: Buffer; rest: AsyncIterable<Buffer> }> {
  const iterator = body[Symbol.asyncIterator]();
  let read: Buffer = Buffer.alloc(0);
  while (read.length < bytes) {
    const { value, done } = await iterator.next();
    if (done === true) throw new R2Error("IncompleteBody");
    read = read.length === 0 ? value : Buffer.concat([read, value]);
  }
  const behind = read.subarray(bytes);
  async function* rest(): AsyncGenerator<Buffer> {
    if (behind.length > 0) yield behind;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  return { head: read.subarray(0, bytes), rest: rest() };
}

/** Answers with bytes that are there. To a client that is still sending, the connection stays until that is read: else it would see a broken pipe. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | number>>,
  bytes: Uint8Array = new Uint8Array(),
): void {
  const length = status === 204 || status === 304 ? {} : { "content-length": bytes.byteLength };
  response.writeHead(status, { ...length, ...headers });
  if (request.complete) return void response.end(bytes);
  response.write(bytes);
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(() => request.destroy(), LINGER_MS);
  request.once("end", end).once("close", end).resume();
}

/** Sends a body behind what has been written. A client that goes away ends the reading; that is nobody's failure. */
export async function sendBody(response: ServerResponse, body: Readable): Promise<void> {
  try {
    await pipeline(body, response);
  } catch (error) {
    if (!response.destroyed) throw error;
  }
}
