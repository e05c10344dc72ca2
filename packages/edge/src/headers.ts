import { CF_HEADER, PROTOCOL_HEADER } from "@longshore/contract";
import type { Asked } from "./ingress.js";
import type { Address } from "./route.js";

/** Headers that mean something only between two neighbours (RFC 9110, 7.6.1), and those that the edge answers itself. */
const HOP_BY_HOP = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Of a request also the headers that say where it came from are dropped: only the edge knows that. */
const OF_REQUESTS = new Set([
  ...HOP_BY_HOP,
  CF_HEADER.toLowerCase(),
  PROTOCOL_HEADER.toLowerCase(),
  "cdn-loop",
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "cf-ew-via",
  "cf-ipcountry",
  "cf-pseudo-ipv4",
  "cf-ray",
  "cf-visitor",
  "cf-worker",
  "forwarded",
  "true-client-ip",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-forwarded-server",
  "x-real-ip",
]);

/** The headers to send to workerd, as a flat list of names and values: the client's in their order and spelling, then the edge's own. */
export function requestHeaders(
  asked: Pick<Asked, "headers" | "connection" | "client" | "httpProtocol">,
  address: Address,
  ray: string,
): string[] {
  const headers = forwardable(asked.headers, asked.connection, OF_REQUESTS);
  headers.push("X-Forwarded-Host", address.authority, ...asked.client.headers, "CF-Ray", ray, CF_HEADER, cfOf(asked));
  return headers;
}

/** What is the same for all requests of a connection. */
export function originHeaders(ip: string, protocol: "http" | "https"): readonly string[] {
  const addresses = ["X-Forwarded-For", ip, "X-Real-IP", ip, "CF-Connecting-IP", ip];
  return [...addresses, "X-Forwarded-Proto", protocol, "CF-Visitor", `{"scheme":"${protocol}"}`, PROTOCOL_HEADER, protocol];
}

/** What the Worker gets as `request.cf`: what is known, and nothing else. */
function cfOf({ headers, client, httpProtocol }: Pick<Asked, "headers" | "client" | "httpProtocol">): string {
  const accepted = headerOf(headers, "accept-encoding");
  const encoding = accepted === undefined ? "" : `,"clientAcceptEncoding":${asciiJson(accepted)}`;
  return `${client.cf},"httpProtocol":"${httpProtocol}"${encoding}}`;
}

/** JSON that may stand in a header. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    const each = headers[index];
    if (each?.length === name.length && each.toLowerCase() === name) return headers[index + 1];
  }
  return undefined;
}

/** The headers to send to the client. */
export function responseHeaders(raw: readonly string[], connection: string | undefined, ray: string): string[] {
  const headers = forwardable(raw, connection, HOP_BY_HOP);
  headers.push("CF-Ray", ray);
  return headers;
}

function forwardable(raw: readonly string[], connection: string | undefined, dropped: ReadonlySet<string>): string[] {
  const named = connection === undefined || isPlain(connection) ? undefined : tokens(connection);
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const key = name.toLowerCase();
    if (dropped.has(key) || named?.has(key) === true) continue;
    kept.push(name, raw[index + 1] ?? "");
  }
  return kept;
}

/** The usual values of `Connection`, which name no further header. */
function isPlain(connection: string): boolean {
  return connection === "keep-alive" || connection === "close" || connection === "Upgrade";
}

function tokens(value: string): Set<string> {
  return new Set(value.split(",").map((token) => token.trim().toLowerCase()));
}
