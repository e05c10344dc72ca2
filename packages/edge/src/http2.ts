import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { type Client, knownClient } from "./client.js";
import { KEEP_ALIVE_MS, MAX_FIELDS } from "./http1.js";
import { Http2Response, http2Headers } from "./http2-response.js";
import type { Asked, Ingress } from "./ingress.js";
import type { EdgeLimits } from "./limits.js";
import { badMethod, sendPage } from "./pages.js";
import { nextRay } from "./ray.js";
import { readAddress } from "./route.js";

/** Requests at the same time on one connection. */
const MAX_STREAMS = 128;
/** Streams that a client has given up before they were answered, in a row or nearly: a browser's user does not do that so often, an attack does. */
const MAX_ABANDONED = 200;
/** How long a connection may go on after it was told to end, in milliseconds. */
const GOODBYE_MS = 5000;

/** HTTP/2 on connections whose TLS is done; they are given as `connection`. */
export class Http2Front {
  readonly server: Http2Server;
  readonly #ingress: Ingress;
  readonly #limits: EdgeLimits;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(ingress: Ingress, limits: EdgeLimits) {
    this.#ingress = ingress;
    this.#limits = limits;
    this.server = createServer({
      settings: { enableConnectProtocol: true, maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: limits.headBytes },
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      maxHeaderListPairs: MAX_FIELDS,
      maxSettings: 32,
    });
    this.server.on("session", (session) => this.#greet(session));
    this.server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) =>
      this.#serve(stream, headers, raw),
    );
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #greet(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    let open = 0;
    let abandoned = 0;
    session.on("stream", (stream) => {
      open++;
      stream.once("close", () => {
        open--;
        if (!stream.aborted) abandoned = Math.max(0, abandoned - 1);
        else if (++abandoned > MAX_ABANDONED && !session.destroyed) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
      });
    });
    session.setTimeout(KEEP_ALIVE_MS, () => {
      if (open > 0 || session.closed) return;
      session.close();
      setTimeout(() => session.destroy(), GOODBYE_MS).unref();
    });
    // What breaks a connection is its end, and nobody's business but its streams'.
    session.on("error", () => session.destroy());
    session.once("close", () => this.#sessions.delete(session));
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]): void {
    stream.on("error", () => undefined);
    const client = knownClient(stream.session?.socket);
    if (client === undefined) {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    this.#giveUpWhenStalled(stream);
    const method = headers[":method"] ?? "";
    const response = new Http2Response(stream, method === "HEAD");
    const protocol = headers[":protocol"];
    const asked = this.#asked(stream, headers, raw, client, response);
    if (method === "CONNECT" && protocol === "websocket") this.#connect(stream, asked);
    else if (method === "CONNECT" || !/^[\w!#$%&'*+.^`|~-]+$/.test(method)) sendPage(response, badMethod, nextRay());
    else void this.#ingress.serve(asked);
  }

  /** A WebSocket (RFC 8441): the stream is the connection. */
  #connect(stream: ServerHttp2Stream, asked: Asked): void {
    const key = ["Sec-WebSocket-Key", Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64")];
    const request = { ...asked, method: "GET", body: undefined, headers: [...without(asked.headers, "sec-websocket-key"), ...key] };
    void this.#ingress.upgrade(request, "websocket", {
      early: Buffer.alloc(0),
      connection: stream,
      accept: (headers) => {
        stream.respond({ ":status": 200, ...http2Headers(without(headers, "sec-websocket-accept")) });
        return stream;
      },
    });
  }

  #asked(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[], client: Client, response: Http2Response): Asked {
    const length = headers["content-length"];
    const fields = http1Headers(raw, headers[":authority"]);
    const body = {
      source: stream,
      length: length === undefined ? undefined : Number(length),
      whole: () => stream.readableEnded,
      onRequest: headers.expect?.toLowerCase() === "100-continue",
    };
    return {
      client,
      httpProtocol: "HTTP/2",
      method: headers[":method"] ?? "GET",
      address: readAddress(headers[":path"] ?? "", fields),
      headers: fields,
      connection: undefined,
      body: stream.endAfterHeaders ? undefined : body,
      response,
    };
  }

  /** A client that has room for nothing more of an answer holds it, and its Worker, up. */
  #giveUpWhenStalled(stream: ServerHttp2Stream): void {
    stream.setTimeout(this.#limits.idleMs, () => {
      if (stream.writableLength > 0) stream.close(constants.NGHTTP2_CANCEL);
    });
  }
}

/** The fields as HTTP/1 has them: a `Host`, and one `Cookie` (RFC 9113, 8.2.3). */
function http1Headers(raw: readonly string[], authority: string | undefined): string[] {
  const fields: string[] = authority === undefined ? [] : ["Host", authority];
  const cookies: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    if (name.startsWith(":") || (name === "host" && value === authority)) continue;
    if (name === "cookie") cookies.push(value);
    else fields.push(name, value);
  }
  if (cookies.length > 0) fields.push("cookie", cookies.join("; "));
  return fields;
}

function without(headers: readonly string[], name: string): string[] {
  return headers.filter((_, index) => headers[index - (index % 2)]?.toLowerCase() !== name);
}
