import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { DONE, type Outcome } from "./exchange.js";
import { relay } from "./forward-body.js";
import { responseHeaders } from "./headers.js";

/** A request to change protocols, and the connection it came on. */
export interface UpgradeRequest {
  readonly path: string;
  /** Without `Connection` and `Upgrade`. */
  readonly headers: readonly string[];
  readonly protocol: string;
  readonly ray: string;
  readonly socket: Socket;
  /** What the client sent after its request's head. */
  readonly head: Buffer;
  /** The same connection, for an answer other than 101. */
  readonly response: ServerResponse;
  /** Told of workerd's side once the protocol is another. */
  readonly changed: (upstream: Socket) => void;
}

/** Asks workerd for the upgrade. After a 101 the two connections are one, byte for byte; any other answer is passed on, and the connection ends. */
export function upgrade(socketPath: string, request: UpgradeRequest, signal: AbortSignal): Promise<Outcome> {
  const { path, protocol, socket, response, ray } = request;
  return new Promise((resolve) => {
    let connected = false;
    const headers = [...request.headers, "Connection", "Upgrade", "Upgrade", protocol];
    const outgoing = httpRequest({ socketPath, path, headers, agent: false, setHost: false, signal });
    const onClose = () => outgoing.destroy();
    socket.once("close", onClose);
    const settle = (outcome: Outcome) => {
      socket.off("close", onClose);
      resolve(outcome);
    };
    outgoing.once("socket", (upstream) => upstream.once("connect", () => (connected = true)));
    outgoing.once("upgrade", (answer: IncomingMessage, upstream: Socket, rest: Buffer) => {
      request.changed(upstream);
      settle(DONE);
      response.detachSocket(socket);
      socket.write(switchingHead(answer, ray));
      splice(socket, request.head, upstream, rest);
    });
    outgoing.once(
      "response",
      (answer: IncomingMessage) => void relay(answer, response, ray, ["Connection", "close"]).then(() => settle(DONE)),
    );
    outgoing.on("error", (error) => settle(socket.destroyed || response.headersSent ? DONE : { kind: "failed", error, sent: connected }));
    outgoing.end();
  });
}

function switchingHead(answer: IncomingMessage, ray: string): string {
  const kept = responseHeaders(answer.rawHeaders, answer.headers.connection, ray);
  let head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${answer.headers.upgrade ?? "websocket"}\r\n`;
  for (let index = 0; index < kept.length; index += 2) head += `${kept[index]}: ${kept[index + 1]}\r\n`;
  return `${head}\r\n`;
}

/** Each side's bytes and end go to the other; a side that breaks takes the other with it. */
function splice(client: Socket, fromClient: Buffer, upstream: Socket, fromUpstream: Buffer): void {
  if (fromClient.length > 0) upstream.write(fromClient);
  if (fromUpstream.length > 0) client.write(fromUpstream);
  upstream.on("error", () => client.destroy());
  upstream.on("close", () => client.destroySoon());
  client.on("close", () => upstream.destroySoon());
  client.pipe(upstream);
  upstream.pipe(client);
}
