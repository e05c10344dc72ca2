import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { DONE, type Outcome } from "./exchange.js";
import { relay } from "./forward-body.js";
import { responseHeaders } from "./headers.js";
import type { ClientResponse } from "./response.js";

/** The client's side of a change of protocols. */
export interface Switch {
  /** What the client has sent after its request's head. */
  readonly early: Buffer;
  /** Emits `close` when the client is gone. */
  readonly connection: Duplex;
  /** Tells the client that the protocol has changed; what it writes and reads from then on goes over the returned stream. */
  accept(headers: readonly string[], protocol: string): Duplex;
}

export interface UpgradeRequest extends Switch {
  readonly path: string;
  /** Without `Connection` and `Upgrade`. */
  readonly headers: readonly string[];
  readonly protocol: string;
  readonly ray: string;
  /** Called when workerd has changed protocols: its connection is under way until it is closed. */
  readonly changed: (upstream: Socket) => void;
  /** For an answer other than a change of protocols. */
  readonly response: ClientResponse;
}

/** Asks workerd for the upgrade. After a 101 the two connections are one, byte for byte; any other answer is passed on, and the connection ends. */
export function upgrade(socketPath: string, request: UpgradeRequest, signal: AbortSignal): Promise<Outcome> {
  const { path, protocol, connection, response, ray } = request;
  return new Promise((resolve) => {
    let connected = false;
    const headers = [...request.headers, "Connection", "Upgrade", "Upgrade", protocol];
    const outgoing = httpRequest({ socketPath, path, headers, agent: false, setHost: false, signal });
    const onClose = () => outgoing.destroy();
    connection.once("close", onClose);
    const settle = (outcome: Outcome) => {
      connection.off("close", onClose);
      resolve(outcome);
    };
    outgoing.once("socket", (upstream) => upstream.once("connect", () => (connected = true)));
    outgoing.once("upgrade", (answer: IncomingMessage, upstream: Socket, rest: Buffer) => {
      request.changed(upstream);
      settle(DONE);
      const kept = responseHeaders(answer.rawHeaders, answer.headers.connection, ray);
      splice(request.accept(kept, answer.headers.upgrade ?? "websocket"), request.early, upstream, rest);
    });
    outgoing.once(
      "response",
      (answer: IncomingMessage) => void relay(answer, response, ray, ["Connection", "close"]).then(() => settle(DONE)),
    );
    outgoing.on("error", (error) =>
      settle(connection.destroyed || response.headersSent ? DONE : { kind: "failed", error, sent: connected }),
    );
    outgoing.end();
  });
}

/** Each side's bytes and end go to the other; a side that breaks takes the other with it. */
function splice(client: Duplex, fromClient: Buffer, upstream: Socket, fromUpstream: Buffer): void {
  if (fromClient.length > 0) upstream.write(fromClient);
  if (fromUpstream.length > 0) client.write(fromUpstream);
  upstream.on("error", () => client.destroy());
  upstream.on("close", () => finish(client));
  client.on("close", () => upstream.destroySoon());
  client.pipe(upstream);
  upstream.pipe(client);
}

/** Ends both directions once all is written. */
function finish(client: Duplex): void {
  if (client.writableFinished) client.destroy();
  else client.end(() => client.destroy());
}
