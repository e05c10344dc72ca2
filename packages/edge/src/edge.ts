import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Server as TlsServer } from "node:tls";
import type { Publish, PublishedScript, TrafficGate, TrafficHold, WorkerUpstream } from "@longshore/contract";
import type { Certificates } from "./certificates.js";
import { clientOf, type EdgePlace } from "./client.js";
import { Connections } from "./connections.js";
import { holdQuiet } from "./drain.js";
import { Http1Front } from "./http1.js";
import { Http2Front } from "./http2.js";
import { type Asked, Ingress } from "./ingress.js";
import { DEFAULT_LIMITS, type EdgeLimits } from "./limits.js";
import { type Page, redirect } from "./pages.js";
import type { Address } from "./route.js";
import { createSecureServer } from "./secure.js";

export interface EdgeOptions {
  /** Workers are served at `<script>.<domain>`. */
  readonly domain: string;
  readonly upstream: WorkerUpstream;
  /** Longest time that a request waits for a held or restarting script, in milliseconds; then it is answered 503. */
  readonly holdDeadlineMs: number;
  readonly limits?: Partial<EdgeLimits>;
  readonly place?: EdgePlace;
  /** Without these there is no TLS. */
  readonly certificates?: Certificates;
  /** Port of `secureServer` that plain requests for hosts with a certificate are sent to; undefined serves them as they come. */
  readonly redirectTo?: () => number | undefined;
  /** The answer to a challenge of a certificate authority (RFC 8555, 8.3). */
  readonly challengeAnswer?: (token: string) => string | undefined;
  readonly log: (message: string) => void;
}

export interface Edge extends TrafficGate, AsyncDisposable {
  /** HTTP/1.1; not yet listening. */
  readonly server: Server;
  /** HTTP/1.1 and HTTP/2 over TLS; not yet listening. It needs `server` to listen for its timeouts. */
  readonly secureServer: TlsServer;
  /** From now on scripts are served there. Before, each is served at `<script>.<domain>`. */
  readonly publish: Publish;
}

const CHALLENGE_PATH = "/.well-known/acme-challenge/";

/** The ingress: takes requests for all scripts, and passes each to its script's workerd. */
export function createEdge(options: EdgeOptions): Edge {
  return new HttpEdge(options);
}

class HttpEdge implements Edge {
  readonly server: Server;
  readonly secureServer: TlsServer;
  readonly #options: EdgeOptions;
  readonly #ingress: Ingress;
  readonly #connections: Connections;
  readonly #http1: Http1Front;
  readonly #http2: Http2Front;
  readonly #subscription: Disposable;

  constructor(options: EdgeOptions) {
    this.#options = options;
    const { domain, upstream, holdDeadlineMs, log, place = {}, certificates } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#ingress = new Ingress({ domain, upstream, holdDeadlineMs, limits, log, instead: (...request) => this.#instead(...request) });
    this.#subscription = upstream.onChange((script) => this.#ingress.findLane(script)?.changed());
    this.#connections = new Connections(limits);
    this.#http1 = new Http1Front(this.#ingress, limits, place);
    this.#http2 = new Http2Front(this.#ingress, limits);
    this.server = this.#http1.server;
    this.server.prependListener("connection", (socket: Socket) => {
      if ("encrypted" in socket) return;
      if (this.#connections.take(socket)) this.#connections.watch(socket);
    });
    this.secureServer = createSecureServer({
      contextOf: (host) => certificates?.contextOf(host),
      handshakeMs: limits.headMs,
      admit: (socket) => this.#connections.take(socket),
      http1: (socket) => {
        this.#connections.watch(socket);
        this.server.emit("connection", socket);
      },
      http2: (socket) => {
        clientOf(socket, place);
        this.#http2.server.emit("connection", socket);
      },
    });
  }

  publish(scripts: readonly PublishedScript[]): void {
    this.#ingress.publish(scripts);
  }

  hold(scripts: readonly string[], drainMs: number): Promise<TrafficHold> {
    return holdQuiet(
      scripts.map((script) => this.#ingress.lane(script)),
      drainMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription[Symbol.dispose]();
    const closed = [this.#http1.close(), this.secureServer.listening && new Promise((resolve) => this.secureServer.close(resolve))];
    this.#http2.close();
    this.#connections[Symbol.dispose]();
    this.#ingress.destroy();
    await Promise.all(closed);
  }

  /** What the edge answers itself: a certificate authority's question, and plain requests that are to come by TLS. */
  #instead({ client, method }: Asked, { host, path, authority }: Address, known: boolean): Page | undefined {
    if (client.protocol === "https") return undefined;
    const { challengeAnswer, redirectTo, certificates } = this.#options;
    if (path.startsWith(CHALLENGE_PATH) && (method === "GET" || method === "HEAD")) {
      const answer = challengeAnswer?.(path.slice(CHALLENGE_PATH.length));
      if (answer !== undefined) return { status: 200, text: answer };
    }
    const port = known && certificates?.has(host) === true ? redirectTo?.() : undefined;
    if (port === undefined) return undefined;
    const name = authority.replace(/:\d{1,5}$/, "");
    return redirect(`https://${name}${port === 443 ? "" : `:${port}`}${path}`);
  }
}
