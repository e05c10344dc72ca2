import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { clientOf, type EdgePlace } from "./client.js";
import { refuseBroken } from "./http1-errors.js";
import type { Asked, Ingress } from "./ingress.js";
import type { EdgeLimits } from "./limits.js";
import { badFraming, badMethod, badTransferCoding, badUpgrade, type Page, sendPage, tooManyFields } from "./pages.js";
import { nextRay } from "./ray.js";
import { readAddress } from "./route.js";

/** How long a connection may be idle between requests, in milliseconds: longer than usual clients and proxies keep theirs. */
export const KEEP_ALIVE_MS = 75_000;
/** How long the rest of a body that nobody reads is taken in after the answer, in milliseconds, before the connection is cut. */
const LINGER_MS = 5000;
/** Requests that a client may send before it has an answer: each is kept until it is its turn. Those who do so at all send a few. */
export const MAX_AHEAD = 64;
/** Header fields of a request at most. */
export const MAX_FIELDS = 256;

/** HTTP/1.1 on connections that it accepts itself or is given (`connection`), over TLS too. */
export class Http1Front {
  /** Not yet listening. */
  readonly server: Server;
  readonly #ingress: Ingress;
  readonly #place: EdgePlace;
  readonly #upgraded = new Set<Socket>();

  constructor(ingress: Ingress, limits: EdgeLimits, place: EdgePlace) {
    this.#ingress = ingress;
    this.#place = place;
    this.server = createServer({
      // Node's strict parser refuses what two parsers could read differently: both lengths, bare line feeds, odd chunk sizes.
      insecureHTTPParser: false,
      maxHeaderSize: limits.headBytes,
      headersTimeout: limits.headMs,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(5000, limits.headMs),
      noDelay: true,
    });
    // Node would leave out what is more than 2000; the size of a head bounds it anyway.
    this.server.maxHeadersCount = 0;
    this.server.on("request", (request, response) => void this.#serve(request, response, false));
    this.server.on("checkContinue", (request, response) => void this.#serve(request, response, true));
    this.server.on("clientError", refuseBroken);
    this.server.on("connect", (request: IncomingMessage, socket: Duplex) => {
      socket.on("error", () => socket.destroy());
      sendPage(answerOn(request, socket as Socket), badMethod, nextRay());
    });
    this.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => this.#upgrade(request, socket as Socket, head));
  }

  close(): Promise<unknown> | undefined {
    const closed = this.server.listening ? new Promise((resolve) => this.server.close(resolve)) : undefined;
    this.server.closeAllConnections();
    for (const socket of this.#upgraded) socket.destroy();
    return closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const socket: Answering = request.socket;
    const before = unfinished(socket);
    socket[NEWEST] = response;
    // A client may send requests ahead: one is handled after the other, and none after an answer that ends the connection.
    if (before !== undefined) {
      const ahead = (socket[AHEAD] ?? 0) + 1;
      socket[AHEAD] = ahead;
      if (ahead > MAX_AHEAD) socket.destroy();
      else await new Promise((resolve) => before.once("close", resolve));
      socket[AHEAD]--;
      if (socket.destroyed || socket.writableEnded) return;
    }
    const page = fault(request);
    if (page !== undefined) sendPage(response, page, nextRay());
    else await this.#ingress.serve(this.#asked(request, response, expectsContinue));
    if (hasBody(request)) linger(request);
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#upgraded.delete(socket));
    this.#upgraded.add(socket);
    if (unfinished(socket) !== undefined) {
      socket.destroy();
      return;
    }
    const response = answerOn(request, socket);
    const page = fault(request) ?? (request.method !== "GET" || hasBody(request) ? badUpgrade : undefined);
    const asked = this.#asked(request, response, false);
    const protocol = request.headers.upgrade ?? "";
    const accept = (headers: readonly string[], accepted: string) => {
      response.detachSocket(socket);
      socket.write(switchingHead(headers, accepted));
      return socket;
    };
    if (page !== undefined) sendPage(response, page, nextRay());
    // Any other protocol (h2c) may be ignored, and workerd speaks none: it is a request like others then, the last on its connection.
    else if (protocol.toLowerCase() !== "websocket") void this.#ingress.serve(asked);
    else void this.#ingress.upgrade(asked, protocol, { early: head, connection: socket, accept });
  }

  #asked(request: IncomingMessage, response: ServerResponse, onRequest: boolean): Asked {
    const { headers } = request;
    const length = headers["content-length"];
    return {
      client: clientOf(request.socket, this.#place),
      httpProtocol: request.httpVersionMinor === 0 ? "HTTP/1.0" : "HTTP/1.1",
      method: request.method ?? "GET",
      address: readAddress(request.url ?? "", request.rawHeaders),
      headers: request.rawHeaders,
      connection: headers.connection,
      body: hasBody(request)
        ? { source: request, length: length === undefined ? undefined : Number(length), whole: () => request.complete, onRequest }
        : undefined,
      response,
    };
  }
}

/** What is wrong with how the request is written. */
function fault({ headers, rawHeaders, httpVersionMinor }: IncomingMessage): Page | undefined {
  if (rawHeaders.length > 2 * MAX_FIELDS) return tooManyFields(MAX_FIELDS);
  const coding = headers["transfer-encoding"];
  if (coding === undefined) return undefined;
  // RFC 9112, 6.1: an older client cannot mean that, and where its body ends is anybody's guess.
  if (httpVersionMinor === 0) return badFraming;
  return coding.toLowerCase() === "chunked" ? undefined : badTransferCoding;
}

const NEWEST = Symbol("newest answer");
const AHEAD = Symbol("requests that wait for their turn");
type Answering = Socket & { [NEWEST]?: ServerResponse; [AHEAD]?: number };

/** The connection's newest answer, if it is still to be finished. Node takes it from its connection when it is. */
function unfinished(socket: Answering): ServerResponse | undefined {
  const newest = socket[NEWEST];
  return newest === undefined || newest.destroyed || (newest.writableEnded && newest.socket === null) ? undefined : newest;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** Node.js hands over the bare connection with an upgrade request; this makes it answerable, once. */
function answerOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.on("drain", () => response.emit("drain"));
  response.once("finish", () => socket.end());
  return response;
}

function switchingHead(headers: readonly string[], protocol: string): string {
  let head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n`;
  for (let index = 0; index < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  return `${head}\r\n`;
}

/** After an answer that did not wait for the whole body, takes in the rest for a while: a client that still writes would otherwise miss the answer. */
function linger(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return;
  const { socket } = request;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  const done = () => {
    clearTimeout(timer);
    socket.off("close", done);
  };
  request.once("end", done);
  socket.once("close", done);
  request.resume();
}
