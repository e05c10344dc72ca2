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

/** Takes the first `bytes` of a request's body; the rest of it can be read as if they had never been there. Errors: `IncompleteBody`. */
export async function takeHead(request: IncomingMessage, bytes: number): Promise<Buffer> {
  let read: Buffer = Buffer.alloc(0);
  while (read.length < bytes) {
    const chunk = request.read() as Buffer | null;
    if (chunk !== null) read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    else if (request.readableEnded || request.destroyed) throw new R2Error("IncompleteBody");
    else await somethingHappens(request);
  }
  if (read.length > bytes) request.unshift(read.subarray(bytes));
  return read.subarray(0, bytes);
}

function somethingHappens(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      request.off("readable", done).off("end", done).off("close", done);
      resolve();
    };
    request.on("readable", done).on("end", done).on("close", done);
  });
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

/** As {@link answer}, when all that the client sends has come: workerd takes an answer before that for a connection that broke. */
export function answerAtEnd(...[request, response, ...rest]: Parameters<typeof answer>): void {
  const send = (): void => {
    if (!response.destroyed) answer(request, response, ...rest);
  };
  if (request.complete) send();
  else request.once("end", send).resume();
}

/** Sends a body behind what has been written. A client that goes away ends the reading; that is nobody's failure. */
export async function sendBody(response: ServerResponse, body: Readable): Promise<void> {
  try {
    await pipeline(body, response);
  } catch (error) {
    if (!response.destroyed) throw error;
  }
}
