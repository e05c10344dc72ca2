import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { buffer as readBuffer } from "node:stream/consumers";
import { LongshoreError } from "@longshore/contract";
import { failureAnswer, matchRoute, parseJson } from "./router.js";

/** A connection that is about to carry something else than HTTP. */
export interface Hijack {
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  /** The JSON that came with the request. */
  readonly body: unknown;
  /** Answers `101` and gives the connection. Until it is called, a failure still becomes an HTTP answer. */
  accept(): Duplex;
}

export interface HijackRoute {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: (hijack: Hijack) => Promise<void>;
}

const MAX_BODY_BYTES = 1024 * 1024;
const BODY_DEADLINE_MS = 10_000;
const LINGER_MS = 5_000;

/**
 * Serves requests that ask for `Upgrade: tcp`, as Docker clients do to get a raw stream. They bring a JSON body before the stream begins, which
 * Node.js may leave on the connection. Requests for other routes are answered as if they had not asked.
 */
export function hijackHandler(routes: readonly HijackRoute[]): (request: IncomingMessage, connection: Duplex, head: Buffer) => void {
  return (request, connection, head) => {
    // The peer may vanish at any time; whoever reads the connection sees its end.
    connection.on("error", () => connection.destroy());
    connection.once("finish", () => closeSoon(connection));
    if (head.length > 0) connection.unshift(head);
    void serve(routes, request, connection).catch((error: unknown) => refuse(connection, error));
  };
}

/** Everything was said: what the peer still sends is let go by, and one that does not close its side does not keep the connection. */
function closeSoon(connection: Duplex): void {
  connection.resume();
  const timer = setTimeout(() => connection.destroy(), LINGER_MS).unref();
  connection.once("close", () => clearTimeout(timer));
}

async function serve(routes: readonly HijackRoute[], request: IncomingMessage, connection: Duplex): Promise<void> {
  const { route, parameters, query } = matchRoute(routes, request);
  const length = Number(request.headers["content-length"] ?? 0);
  if (!(length <= MAX_BODY_BYTES)) throw new LongshoreError("TOO_LARGE", "The request's body is too large.");
  // Newer versions of Node.js read the body themselves.
  const begin = await readBuffer(request);
  const text = Buffer.concat([begin, await readExactly(connection, length - begin.length)]).toString("utf8");
  const body = text === "" ? {} : parseJson(text);
  let accepted = false;
  const accept = () => {
    accepted = true;
    connection.write(
      "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    return connection;
  };
  try {
    await route.handle({ parameters, query, body, accept });
  } catch (error) {
    if (!accepted) throw error;
    connection.destroy();
  }
}

/** The next `length` bytes; what comes after them stays on the connection. Errors: `INVALID_INPUT` when they do not come. */
async function readExactly(connection: Duplex, length: number): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  const signal = AbortSignal.timeout(BODY_DEADLINE_MS);
  for (;;) {
    const chunk: Buffer | null = connection.read(length);
    if (chunk !== null && chunk.length === length) return chunk;
    if (connection.readableEnded || connection.destroyed || chunk !== null || signal.aborted) {
      throw new LongshoreError("INVALID_INPUT", "The request's body is shorter than its Content-Length.");
    }
    await new Promise<void>((resolve) => {
      const go = () => {
        for (const event of ["readable", "end", "close"]) connection.off(event, go);
        signal.removeEventListener("abort", go);
        resolve();
      };
      for (const event of ["readable", "end", "close"]) connection.once(event, go);
      signal.addEventListener("abort", go);
    });
  }
}

function refuse(connection: Duplex, error: unknown): void {
  const { status, body } = failureAnswer(error);
  const text = JSON.stringify(body);
  const head = `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close`;
  connection.end(`HTTP/1.1 ${status} Refused\r\n${head}\r\n\r\n${text}`);
}
