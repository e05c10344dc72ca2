import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { DONE, type Outcome } from "./exchange.js";
import type { ForwardedRequest } from "./forward.js";
import { responseHeaders } from "./headers.js";
import type { RequestBody } from "./request-body.js";
import type { ClientResponse } from "./response.js";
import { connectUpstream } from "./upstream-socket.js";

/**
 * Passes on a request that has a body, on a connection of its own: what cannot be repeated must not meet a connection that is just being closed. The head
 * goes out at once, not with the body's first byte, so both directions can stream at the same time.
 */
export function forwardBody(
  socketPath: string,
  request: ForwardedRequest,
  body: RequestBody,
  response: ClientResponse,
  signal: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const { method, path, headers, ray } = request;
    const framing = hasLength(headers) ? [] : ["Transfer-Encoding", "chunked"];
    const socket = connectUpstream(socketPath);
    let connected = false;
    socket.once("connect", () => {
      connected = true;
    });
    let outgoing: ClientRequest;
    try {
      const all = [...headers, ...framing, "Connection", "close"];
      outgoing = httpRequest({ method, path, headers: all, createConnection: () => socket, setHost: false, signal });
    } catch (error) {
      socket.destroy();
      return resolve({ kind: "failed", error: error as Error, sent: false });
    }
    const onGone = () => outgoing.destroy();
    const settle = (outcome: Outcome) => {
      response.off("close", onGone);
      body.destroy();
      outgoing.destroy();
      resolve(outcome);
    };
    response.once("close", onGone);
    body.once("error", (error) => outgoing.destroy(error));
    outgoing.once("response", (answer) => void relay(answer, response, ray).then(() => settle(DONE)));
    outgoing.on("error", (error) => {
      if (response.headersSent) response.destroy();
      settle(response.destroyed ? DONE : { kind: "failed", error, sent: connected });
    });
    outgoing.flushHeaders();
    body.pipe(outgoing);
  });
}

/** Streams an answer to the client. Resolves when workerd's side is done; an answer that breaks off is cut short for the client too. Never rejects. */
export function relay(answer: IncomingMessage, response: ClientResponse, ray: string, more: readonly string[] = []): Promise<void> {
  return new Promise((resolve) => {
    const headers = responseHeaders(answer.rawHeaders, answer.headers.connection, ray);
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? "", [...headers, ...more]);
    response.flushHeaders();
    answer.on("error", () => response.destroy());
    answer.once("close", () => {
      if (!answer.complete) response.destroy();
      resolve();
    });
    answer.pipe(response);
  });
}

function hasLength(headers: readonly string[]): boolean {
  return headers.some((name, index) => index % 2 === 0 && name.toLowerCase() === "content-length");
}
