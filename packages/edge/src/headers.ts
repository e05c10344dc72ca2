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

/** Headers that say where a request came from. Only the edge knows, so a client's own are dropped. */
const ORIGIN = new Set([
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

/** What the edge knows of a request's origin. */
export interface Origin {
  readonly ip: string;
  readonly protocol: "http" | "https";
  readonly host: string;
  readonly ray: string;
}

/** The headers to send to workerd, as a flat list of names and values: the client's in their order and spelling, then the edge's own. */
export function requestHeaders(raw: readonly string[], connection: string | undefined, origin: Origin): string[] {
  const headers = forwardable(raw, connection, ORIGIN);
  headers.push("X-Forwarded-For", origin.ip, "X-Forwarded-Host", origin.host, "X-Forwarded-Proto", origin.protocol);
  headers.push(
    "X-Real-IP",
    origin.ip,
    "CF-Connecting-IP",
    origin.ip,
    "CF-Ray",
    origin.ray,
    "CF-Visitor",
    `{"scheme":"${origin.protocol}"}`,
  );
  return headers;
}

/** The headers to send to the client. */
export function responseHeaders(raw: readonly string[], connection: string | undefined, ray: string): string[] {
  const headers = forwardable(raw, connection, undefined);
  headers.push("CF-Ray", ray);
  return headers;
}

function forwardable(raw: readonly string[], connection: string | undefined, also: ReadonlySet<string> | undefined): string[] {
  const named = connection === undefined || isPlain(connection) ? undefined : tokens(connection);
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const key = name.toLowerCase();
    if (HOP_BY_HOP.has(key) || also?.has(key) === true || named?.has(key) === true) continue;
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
