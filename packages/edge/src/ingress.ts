import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { PublishedScript, WorkerUpstream } from "@longshore/contract";
import type { Client } from "./client.js";
import { conduct, type Exchange, type Outcome } from "./exchange.js";
import { type ForwardedRequest, forward } from "./forward.js";
import { forwardBody } from "./forward-body.js";
import { requestHeaders } from "./headers.js";
import { Lane } from "./lane.js";
import type { EdgeLimits } from "./limits.js";
import { badAddress, closedHost, type Page, sendPage, tooLarge, tooManyRequests, unknownHost, urlTooLong } from "./pages.js";
import { RateLimit } from "./rate-limit.js";
import { nextRay } from "./ray.js";
import { RequestBody } from "./request-body.js";
import type { ClientResponse } from "./response.js";
import type { Address } from "./route.js";
import { RouteTable } from "./route-table.js";
import { type Switch, upgrade } from "./upgrade.js";

/** A request as a client has made it, in whichever version of HTTP. */
export interface Asked {
  readonly client: Client;
  /** As `request.cf` names it. */
  readonly httpProtocol: string;
  readonly method: string;
  /** Undefined when it makes no sense. */
  readonly address: Address | undefined;
  /** Flat list of names and values. */
  readonly headers: readonly string[];
  /** The `Connection` header's value. */
  readonly connection: string | undefined;
  readonly body: AskedBody | undefined;
  readonly response: ClientResponse;
}

export interface AskedBody {
  readonly source: Readable;
  /** In bytes, where the client has said it. */
  readonly length: number | undefined;
  readonly whole: () => boolean;
  /** The client sends it only when asked to. */
  readonly onRequest: boolean;
}

export interface IngressOptions {
  readonly domain: string;
  readonly upstream: WorkerUpstream;
  readonly holdDeadlineMs: number;
  readonly limits: EdgeLimits;
  /** Answers in place of any Worker. */
  readonly instead: (asked: Asked, address: Address, known: boolean) => Page | undefined;
  readonly log: (message: string) => void;
}

/** RFC 9110, 9.2.2. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** What all versions of HTTP have in common: from a request to its script's process, and back. */
export class Ingress {
  readonly #options: IngressOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #rates: RateLimit;
  #table: RouteTable;

  constructor(options: IngressOptions) {
    this.#options = options;
    this.#table = new RouteTable(options.domain, []);
    this.#rates = new RateLimit(options.limits.rates);
  }

  publish(scripts: readonly PublishedScript[]): void {
    this.#table = new RouteTable(this.#options.domain, scripts);
  }

  /** The script's way, if it was ever used. */
  findLane(script: string): Lane | undefined {
    return this.#lanes.get(script);
  }

  lane(script: string): Lane {
    const lane = this.#lanes.get(script) ?? new Lane(script, this.#options.upstream);
    this.#lanes.set(script, lane);
    return lane;
  }

  /** Answers the request. Never rejects. */
  async serve(asked: Asked): Promise<void> {
    const ray = nextRay();
    const found = this.#find(asked);
    const page = "status" in found ? found : await this.#conduct(found.lane, asked, found.address, this.#attempt(asked, found, ray));
    if (page !== undefined) sendPage(asked.response, page, ray);
  }

  /** Answers a request to change to another protocol. Never rejects. */
  async upgrade(asked: Asked, protocol: string, change: Switch): Promise<void> {
    const ray = nextRay();
    const found = this.#find(asked);
    if ("status" in found) return sendPage(asked.response, found, ray);
    const { address, lane } = found;
    const headers = requestHeaders(asked, address, ray);
    const { response } = asked;
    const changed = (upstream: Socket) => lane.enterTunnel(upstream);
    const request = { path: address.path, headers, protocol, ray, response, changed, ...change };
    const attempt = (socketPath: string) => upgrade(socketPath, request, lane.connections(socketPath).signal);
    const page = await this.#conduct(lane, asked, address, attempt);
    if (page !== undefined) sendPage(asked.response, page, ray);
  }

  destroy(): void {
    for (const lane of this.#lanes.values()) lane.destroy();
  }

  #attempt(asked: Asked, { address, lane }: Found, ray: string): (socketPath: string) => Promise<Outcome> {
    const { response, method, body } = asked;
    const forwarded: ForwardedRequest = { method, path: address.path, headers: requestHeaders(asked, address, ray), ray };
    if (body === undefined) return (socketPath) => forward(lane.connections(socketPath).pool, forwarded, response);
    const { idleMs, uploadBytesPerSecond, bodyBytes } = this.#options.limits;
    const options = {
      whole: body.whole,
      idleMs,
      bytesPerSecond: uploadBytesPerSecond,
      maxBytes: bodyBytes,
      onStart: () => {
        if (body.onRequest && !response.headersSent) response.writeContinue();
      },
    };
    return (socketPath) => {
      const { signal } = lane.connections(socketPath);
      return forwardBody(socketPath, forwarded, new RequestBody(body.source, options), response, signal);
    };
  }

  async #conduct(
    lane: Lane,
    { method, body, response }: Asked,
    { host }: Address,
    attempt: Exchange["attempt"],
  ): Promise<Page | undefined> {
    try {
      const repeatable = body === undefined && IDEMPOTENT.has(method);
      const uploading = () => body?.whole() === false;
      return await conduct({ response, lane, host, repeatable, uploading, attempt }, this.#options);
    } catch (error) {
      this.#options.log(`A request for the Worker "${lane.script}" failed in the edge: ${String(error)}`);
      return { status: 500, text: "The request failed inside Longshore's edge; its log says more.\n" };
    }
  }

  #find(asked: Asked): Found | Page {
    const { client, address, body } = asked;
    const { domain, upstream, limits, instead } = this.#options;
    if (address === undefined) return badAddress;
    const { host, path } = address;
    if (path.length > limits.urlBytes) return urlTooLong(limits.urlBytes);
    if ((body?.length ?? 0) > limits.bodyBytes) return tooLarge(limits.bodyBytes);
    const destination = this.#table.find(client.protocol, host, path);
    const script = destination !== undefined && "script" in destination ? destination.script : undefined;
    const known = script !== undefined && upstream.upstream(script) !== undefined;
    const page = instead(asked, address, known);
    if (page !== undefined) return page;
    if (destination !== undefined && "closed" in destination) return closedHost(host, destination.closed);
    if (script === undefined || !known) return unknownHost(host, domain);
    const waitSeconds = this.#rates.take(host, performance.now());
    if (waitSeconds !== undefined) return tooManyRequests(host, waitSeconds);
    return { address, lane: this.lane(script) };
  }
}

interface Found {
  readonly address: Address;
  readonly lane: Lane;
}
