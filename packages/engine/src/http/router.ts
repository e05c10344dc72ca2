import type { IncomingMessage, ServerResponse } from "node:http";
import { LongshoreError, toLongshoreError } from "@longshore/contract";

/** A request as most handlers look at it. */
export interface PlainExchange {
  /** What the route's pattern captured. */
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  /** The request's JSON body, `{}` when it has none. Errors: `INVALID_INPUT`. */
  body(): Promise<unknown>;
  /** Says when the client has its answer, or has gone. */
  readonly client: { once(event: "close", listener: () => void): unknown };
}

export interface Exchange extends PlainExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * What a handler answers with: a status, and a value that is sent as JSON. A handler that writes to the response itself resolves when it has ended it;
 * what it returns is then ignored.
 */
export type Answer = {
  readonly status: number;
  readonly body?: unknown;
  /** The media type of a body that is text and no JSON. */
  readonly type?: string;
};

export interface Route {
  readonly method: string;
  /** Matched against the whole path. */
  readonly path: RegExp;
  readonly handle: (exchange: Exchange) => Promise<Answer> | Answer;
}

/** A route that can also be served without Node's request and response (quick-server.ts). */
export interface PlainRoute extends Route {
  readonly answer: (exchange: PlainExchange) => Promise<Answer> | Answer;
}

/** A route whose handler needs no more than a {@link PlainExchange}. */
export function plain(method: string, path: RegExp, answer: PlainRoute["answer"]): PlainRoute {
  return { method, path, handle: answer, answer };
}

/** Bodies on the engine's sockets are small JSON documents. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Serves a table of routes. Every failure becomes an answer: its code's status, and `{ message, code }` as Docker clients read it. */
export function routesHandler(routes: readonly Route[]): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    void dispatch(routes, request, response)
      .catch((error: unknown) => failureAnswer(error))
      .then((answer) => send(response, answer));
  };
}

async function dispatch(routes: readonly Route[], request: IncomingMessage, response: ServerResponse): Promise<Answer> {
  try {
    const { route, parameters, query } = matchRoute(routes, request);
    return await route.handle({ request, response, parameters, query, client: response, body: () => parseBody(request) });
  } finally {
    // A body that nobody wanted must not stand in the way of the connection's next request.
    if (!request.readableEnded) request.resume();
  }
}

/** The route that a request is for. Errors: `NOT_FOUND`, `INVALID_INPUT` for a path that cannot be decoded. */
export function matchRoute<T extends { readonly method: string; readonly path: RegExp }>(
  routes: readonly T[],
  request: IncomingMessage,
): { readonly route: T; readonly parameters: readonly string[]; readonly query: URLSearchParams } {
  const [target = "/", ...rest] = (request.url ?? "/").split("?");
  // Docker clients may put the API version first.
  const path = decodePath(target.replace(/^\/v1\.\d+/, ""));
  for (const route of routes) {
    const match = route.method === request.method ? route.path.exec(path) : null;
    if (match !== null) return { route, parameters: match.slice(1), query: new URLSearchParams(rest.join("?")) };
  }
  throw new LongshoreError("NOT_FOUND", `The engine does not serve ${request.method} ${path}.`);
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `The path ${path} is not percent-encoded UTF-8.`, { cause });
  }
}

async function parseBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new LongshoreError("TOO_LARGE", `The request's body has more than ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return length === 0 ? {} : parseJson(Buffer.concat(chunks).toString());
}

/** Errors: `INVALID_INPUT`. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", "The request has something that is not JSON.", { cause });
  }
}

/** What a failure is answered with: its code's status, and `{ message, code }`. */
export function failureAnswer(error: unknown): Answer {
  const failure = toLongshoreError(error, "The request");
  return { status: failure.status, body: { code: failure.code, message: failure.text, ...failure.details } };
}

/** An answer's body as it is sent, with its media type; `undefined` when there is none. */
export function encodeBody({ body, type }: Answer): { readonly type: string; readonly text: string } | undefined {
  if (body === undefined) return undefined;
  if (type !== undefined) return { type, text: String(body) };
  return { type: "application/json", text: JSON.stringify(body) };
}

function send(response: ServerResponse, answer: Answer): void {
  if (response.writableEnded || response.destroyed) return;
  if (response.headersSent) {
    // The handler began an answer of its own; one that is not finished by now has failed.
    response.destroy();
    return;
  }
  const body = encodeBody(answer);
  if (body === undefined) {
    response.writeHead(answer.status, { "content-length": 0 }).end();
    return;
  }
  response.writeHead(answer.status, { "content-type": body.type, "content-length": Buffer.byteLength(body.text) }).end(body.text);
}
