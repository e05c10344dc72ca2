import type { IncomingMessage, ServerResponse } from "node:http";
import { json as readJson } from "node:stream/consumers";
import { LongshoreError, toLongshoreError } from "@longshore/contract";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What the route's pattern captured. */
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  /** The request's JSON body. Errors: `INVALID_INPUT`. */
  body(): Promise<unknown>;
}

/** What a handler answers with: a status, and a value that is sent as JSON. */
export type Answer = { readonly status: number; readonly body?: unknown };

export interface Route {
  readonly method: string;
  /** Matched against the whole path. */
  readonly path: RegExp;
  readonly handle: (exchange: Exchange) => Promise<Answer> | Answer;
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
  const url = new URL(request.url ?? "/", "http://engine");
  // Docker clients may put the API version first.
  const path = decodeURIComponent(url.pathname.replace(/^\/v1\.\d+/, ""));
  for (const route of routes) {
    const match = route.method === request.method ? route.path.exec(path) : null;
    if (match === null) continue;
    return await route.handle({ request, response, parameters: match.slice(1), query: url.searchParams, body: () => parseBody(request) });
  }
  request.resume();
  throw new LongshoreError("NOT_FOUND", `The engine does not serve ${request.method} ${path}.`);
}

async function parseBody(request: IncomingMessage): Promise<unknown> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES)
    throw new LongshoreError("TOO_LARGE", "The request's body is too large.");
  try {
    return await readJson(request);
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", "The request's body is not JSON.", { cause });
  }
}

function failureAnswer(error: unknown): Answer {
  const failure = toLongshoreError(error, "The request");
  return { status: failure.status, body: { code: failure.code, message: failure.text, ...failure.details } };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  if (response.writableEnded || response.destroyed) return;
  if (body === undefined) {
    response.writeHead(status, { "content-length": 0 }).end();
    return;
  }
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text);
}
