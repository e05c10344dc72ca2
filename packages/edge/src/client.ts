import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { asciiJson, originHeaders } from "./headers.js";

/** Where this machine is, as far as its operator has said. */
export interface EdgePlace {
  /** ISO 3166-1. */
  readonly country?: string;
  readonly region?: string;
  /** Any name of the place. */
  readonly colo?: string;
}

/** Who is at the other end of a connection. */
export interface Client {
  readonly ip: string;
  readonly protocol: "http" | "https";
  /** What a Worker is told of it: a flat list of names and values. */
  readonly headers: readonly string[];
  /** What `request.cf` says of the connection: JSON without the closing brace. */
  readonly cf: string;
}

const CLIENT = Symbol("client");

/** The client of a connection; looked at once. For TLS, after the handshake. */
export function clientOf(socket: Socket, place: EdgePlace): Client {
  const known = (socket as Socket & { [CLIENT]?: Client })[CLIENT];
  if (known !== undefined) return known;
  const client = look(socket, place);
  Object.assign(socket, { [CLIENT]: client });
  return client;
}

/** The client that {@link clientOf} has looked at. */
export function knownClient(socket: unknown): Client | undefined {
  return (socket as { [CLIENT]?: Client })[CLIENT];
}

function look(socket: Socket, place: EdgePlace): Client {
  const ip = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  const secure = socket instanceof TLSSocket ? socket : undefined;
  const facts = { ...place, tlsVersion: secure?.getProtocol() ?? "", tlsCipher: secure?.getCipher()?.name ?? "" };
  const protocol = secure === undefined ? "http" : "https";
  return { ip, protocol, headers: originHeaders(ip, protocol), cf: asciiJson(facts).slice(0, -1) };
}
