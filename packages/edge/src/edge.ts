import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TrafficGate, TrafficHold, WorkerUpstream } from "@longshore/contract";
import { holdQuiet } from "./drain.js";
import { conduct, type Exchange } from "./exchange.js";
import { forward } from "./forward.js";
import { forwardBody } from "./forward-body.js";
import { type Origin, requestHeaders } from "./headers.js";
import { Lane } from "./lane.js";
import { badAddress, badTransferCoding, badUpgrade, type Page, sendPage, unknownHost } from "./pages.js";
import { nextRay } from "./ray.js";
import { RequestBody } from "./request-body.js";
import { type Address, readAddress, scriptOfHost } from "./route.js";
import { upgrade } from "./upgrade.js";

export interface EdgeOptions {
  /** Workers are served at `<script>.<domain>`. */
  readonly domain: string;
  /** The script of another host name (lower case, no port), if it has one. Asked before `domain` is looked at. */
  readonly resolve?: (host: string) => string | undefined;
  readonly upstream: WorkerUpstream;
  /** Longest time that a request waits for a held or restarting script, in milliseconds; then it is answered 503. */
  readonly holdDeadlineMs: number;
  /** Longest pause in a request's body, in milliseconds. Default: 60,000. */
  readonly uploadIdleMs?: number;
  readonly log: (message: string) => void;
}

export interface Edge extends TrafficGate, AsyncDisposable {
  /** Not yet listening. For TLS, emit `connection` on it with the decrypted sockets. */
  readonly server: Server;
}

/** Most bytes of a request's head. */
const MAX_HEAD_BYTES = 32 * 1024;
/** How long a client may take for a request's head, in milliseconds. */
const HEAD_MS = 20_000;
/** How long a connection may be idle between requests, in milliseconds: longer than usual clients and proxies keep theirs. */
const KEEP_ALIVE_MS = 75_000;
/** How long the rest of a body that nobody reads is taken in after the answer, in milliseconds, before the connection is cut. */
const LINGER_MS = 5000;
/** RFC 9110, 9.2.2. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** The ingress: takes requests for all scripts, and passes each to its script's workerd. */
export function createEdge(options: EdgeOptions): Edge {
  return new HttpEdge(options);
}

class HttpEdge implements Edge {
  readonly server: Server;
  readonly #options: EdgeOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #subscription: Disposable;
  readonly #upgraded = new Set<Socket>();

  constructor(options: EdgeOptions) {
    this.#options = options;
    this.#subscription = options.upstream.onChange((script) => this.#lanes.get(script)?.changed());
    this.server = createServer({
      // Node's strict parser refuses what two parsers could read differently: both lengths, bare line feeds, odd chunk sizes.
      insecureHTTPParser: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: HEAD_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 5000,
      noDelay: true,
    });
    this.server.on("request", (request, response) => void this.#serve(request, response, false));
    this.server.on("checkContinue", (request, response) => void this.#serve(request, response, true));
    this.server.on(
      "upgrade",
      (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(request, socket as Socket, head),
    );
  }

  hold(scripts: readonly string[], drainMs: number): Promise<TrafficHold> {
    return holdQuiet(
      scripts.map((script) => this.#lane(script)),
      drainMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription[Symbol.dispose]();
    const closed = this.server.listening ? new Promise((resolve) => this.server.close(resolve)) : undefined;
    this.server.closeAllConnections();
    for (const socket of this.#upgraded) socket.destroy();
    for (const lane of this.#lanes.values()) lane.destroy();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const ray = nextRay();
    const found = this.#find(request);
    const page = "status" in found ? found : await this.#conduct(this.#exchange(request, response, found, ray, expectsContinue));
    if (page !== undefined) sendPage(response, page, ray);
    if (hasBody(request)) linger(request);
  }

  #exchange(request: IncomingMessage, response: ServerResponse, { address, lane }: Found, ray: string, expectsContinue: boolean): Exchange {
    const method = request.method ?? "GET";
    const headers = requestHeaders(request.rawHeaders, request.headers.connection, originOf(request, address, ray));
    const withBody = hasBody(request);
    const idleMs = this.#options.uploadIdleMs ?? 60_000;
    const onStart = () => {
      if (expectsContinue && !response.headersSent) response.writeContinue();
    };
    return {
      request,
      response,
      lane,
      host: address.host,
      repeatable: !withBody && IDEMPOTENT.has(method),
      attempt: (socketPath) => {
        const { pool, signal } = lane.connections(socketPath);
        const forwarded = { method, path: address.path, headers, ray };
        if (!withBody) return forward(pool, forwarded, response);
        return forwardBody(socketPath, forwarded, new RequestBody(request, idleMs, onStart), response, signal);
      },
    };
  }

  async #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#upgraded.delete(socket));
    this.#upgraded.add(socket);
    const ray = nextRay();
    const response = answerOn(request, socket);
    const found = this.#find(request);
    if ("status" in found) return sendPage(response, found, ray);
    if (request.method !== "GET" || hasBody(request)) return sendPage(response, badUpgrade, ray);
    const { address, lane } = found;
    const headers = requestHeaders(request.rawHeaders, request.headers.connection, originOf(request, address, ray));
    const protocol = request.headers.upgrade ?? "";
    const attempt = (socketPath: string) => {
      const { pool, signal } = lane.connections(socketPath);
      if (protocol.toLowerCase() === "websocket") {
        const changed = (upstream: Socket) => lane.enterTunnel(upstream);
        return upgrade(socketPath, { path: address.path, headers, protocol, ray, socket, head, response, changed }, signal);
      }
      // Any other protocol (h2c) may be ignored, and workerd speaks none: it is a request like others then, the last on its connection.
      return forward(pool, { method: "GET", path: address.path, headers, ray }, response);
    };
    const page = await this.#conduct({ request, response, lane, host: address.host, repeatable: true, attempt });
    if (page !== undefined) sendPage(response, page, ray);
  }

  async #conduct(exchange: Exchange): Promise<Page | undefined> {
    try {
      return await conduct(exchange, this.#options);
    } catch (error) {
      this.#options.log(`A request for the Worker "${exchange.lane.script}" failed in the edge: ${String(error)}`);
      return { status: 500, text: "The request failed inside Longshore's edge; its log says more.\n" };
    }
  }

  #find(request: IncomingMessage): Found | Page {
    const { domain, resolve, upstream } = this.#options;
    const coding = request.headers["transfer-encoding"];
    if (coding !== undefined && coding.toLowerCase() !== "chunked") return badTransferCoding;
    const address = readAddress(request.url ?? "", request.rawHeaders);
    if (address === undefined) return badAddress;
    const script = resolve?.(address.host) ?? scriptOfHost(address.host, domain);
    if (script === undefined || upstream.upstream(script) === undefined) return unknownHost(address.host, domain);
    return { address, lane: this.#lane(script) };
  }

  #lane(script: string): Lane {
    const lane = this.#lanes.get(script) ?? new Lane(script, this.#options.upstream);
    this.#lanes.set(script, lane);
    return lane;
  }
}

interface Found {
  readonly address: Address;
  readonly lane: Lane;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

function originOf({ socket }: IncomingMessage, { authority }: Address, ray: string): Origin {
  const ip = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  return { ip, protocol: "encrypted" in socket && socket.encrypted === true ? "https" : "http", host: authority, ray };
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
