// Only for the tests beside it.
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, type Settings } from "node:http2";
import type { AddressInfo } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import type { Edge } from "./edge.js";

export async function listenSecurely(edge: Edge): Promise<number> {
  edge.secureServer.listen(0, "127.0.0.1");
  await once(edge.secureServer, "listening");
  return (edge.secureServer.address() as AddressInfo).port;
}

/** A connection whose handshake is done. `host` is the one that it asks a certificate for. */
export async function secureConnection(port: number, host: string, protocol = "http/1.1"): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", servername: host, ALPNProtocols: [protocol], rejectUnauthorized: false });
  await once(socket, "secureConnect");
  return socket;
}

/** A connection of HTTP/2. */
export async function http2Session(port: number, host: string, settings: Settings = {}): Promise<ClientHttp2Session> {
  const session = connectHttp2(`https://${host}`, { settings, createConnection: () => connect(options(port, host)) });
  session.on("error", () => undefined);
  await once(session, "connect");
  return session;
}

function options(port: number, host: string) {
  return { port, host: "127.0.0.1", servername: host, ALPNProtocols: ["h2"], rejectUnauthorized: false };
}

export interface Http2Answer {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly status: number;
  readonly body: Buffer;
  readonly text: string;
}

/** A request on a connection of HTTP/2, and its whole answer. */
export async function ask(
  session: ClientHttp2Session,
  headers: Record<string, string | string[]>,
  body?: Buffer | string,
): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const ended = once(stream, "close").then(() => Promise.reject(new Error(`The stream has ended without an answer: ${stream.rstCode}.`)));
  const [answer] = (await Promise.race([once(stream, "response"), ended])) as [Record<string, string | string[] | undefined>];
  const chunks = (await stream.toArray()) as Buffer[];
  const bytes = Buffer.concat(chunks);
  return { headers: answer, status: Number(answer[":status"]), body: bytes, text: bytes.toString() };
}
