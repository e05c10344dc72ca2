import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { R2Error } from "../errors.js";

const ALGORITHM = "AWS4-HMAC-SHA256";
const SKEW_MS = 15 * 60_000;
/** The longest that a signed URL may be good for: seven days, in seconds. */
const LONGEST_LIFE_S = 7 * 24 * 3600;

/** What a request says of its signature (AWS Signature Version 4). */
export interface Claims {
  readonly accessKeyId: string;
  /** `<yyyymmdd>/<region>/<service>/aws4_request`. */
  readonly scope: string;
  /** `yyyymmddThhmmssZ`. */
  readonly timestamp: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** The body's SHA-256 in hex, or a word for how the body is signed. */
  readonly payload: string;
  /** In a signed URL, the seconds that it is good for. */
  readonly expires?: number;
}

/** A request's target as it came. */
export interface Target {
  readonly path: string;
  readonly query: string;
}

export function targetOf(request: IncomingMessage): Target {
  const url = request.url ?? "/";
  const at = url.indexOf("?");
  return at < 0 ? { path: url, query: "" } : { path: url.slice(0, at), query: url.slice(at + 1) };
}

/** Errors: `AccessDenied` for a request that is not signed, `InvalidArgument` for a signature of another form. */
export function readClaims(request: IncomingMessage, query: URLSearchParams): Claims {
  const header = request.headers.authorization;
  if (header !== undefined) return headerClaims(request, header);
  if (query.has("X-Amz-Signature")) return queryClaims(query);
  throw new R2Error("AccessDenied", "The request is not signed.", { hint: "Sign it with an access key (AWS Signature Version 4)." });
}

function headerClaims(request: IncomingMessage, header: string): Claims {
  const [algorithm, rest = ""] = header.split(/\s+(.*)/s);
  if (algorithm !== ALGORITHM) throw new R2Error("InvalidArgument", `The authorization is not ${ALGORITHM}.`);
  const parts = new Map(rest.split(",").map((part) => part.trim().split(/=(.*)/s) as [string, string]));
  const payload = text(request, "x-amz-content-sha256");
  const timestamp = text(request, "x-amz-date") ?? amzDate(Date.parse(request.headers.date ?? ""));
  if (payload === undefined) throw new R2Error("InvalidArgument", "The header x-amz-content-sha256 is missing.");
  return { ...credential(parts.get("Credential")), timestamp, payload, ...signed(parts.get("SignedHeaders"), parts.get("Signature")) };
}

function queryClaims(query: URLSearchParams): Claims {
  if (query.get("X-Amz-Algorithm") !== ALGORITHM) throw new R2Error("InvalidArgument", `X-Amz-Algorithm is not ${ALGORITHM}.`);
  const expires = Number(query.get("X-Amz-Expires"));
  if (!(expires >= 1 && expires <= LONGEST_LIFE_S))
    throw new R2Error("InvalidArgument", `X-Amz-Expires must be 1 to ${LONGEST_LIFE_S} seconds.`);
  return {
    ...credential(query.get("X-Amz-Credential")),
    timestamp: query.get("X-Amz-Date") ?? "",
    payload: query.get("X-Amz-Content-Sha256") ?? "UNSIGNED-PAYLOAD",
    expires,
    ...signed(query.get("X-Amz-SignedHeaders"), query.get("X-Amz-Signature")),
  };
}

function credential(given: string | null | undefined): Pick<Claims, "accessKeyId" | "scope"> {
  const [, accessKeyId, scope] = /^([^/]+)\/(\d{8}\/[^/]*\/[^/]+\/aws4_request)$/.exec(given ?? "") ?? [];
  if (accessKeyId === undefined || scope === undefined) throw new R2Error("InvalidArgument", "The signature names no credential.");
  return { accessKeyId, scope };
}

function signed(headers: string | null | undefined, signature: string | null | undefined): Pick<Claims, "signedHeaders" | "signature"> {
  const signedHeaders = (headers ?? "").toLowerCase().split(";");
  if (!signedHeaders.includes("host")) throw new R2Error("InvalidArgument", "The signature leaves out the host.");
  return { signedHeaders, signature: signature ?? "" };
}

/**
 * Errors: `SignatureDoesNotMatch`, `RequestTimeTooSkewed`, `AccessDenied` for a URL whose time is over and for a request with headers that change its meaning
 * and were not signed. `now` in milliseconds since 1970.
 */
export function verify(claims: Claims, request: SignedParts, target: Target, secret: string, now: number): void {
  const signedAt = parseAmzDate(claims.timestamp);
  if (claims.expires === undefined) {
    if (Math.abs(now - signedAt) > SKEW_MS) throw new R2Error("RequestTimeTooSkewed");
  } else {
    if (signedAt - now > SKEW_MS) throw new R2Error("RequestTimeTooSkewed");
    if (now > signedAt + claims.expires * 1000) throw new R2Error("AccessDenied", "Request has expired");
  }
  const expected = signatureOf(claims, request, target, secret);
  if (!sameText(expected, claims.signature) || !claims.scope.startsWith(claims.timestamp.slice(0, 8)))
    throw new R2Error("SignatureDoesNotMatch");
  assertAllSigned(claims, request);
}

/** What the signature covers by itself. */
const COVERED: ReadonlySet<string> = new Set(["x-amz-date", "x-amz-content-sha256"]);

/** As with AWS: whoever was given a URL to put one object with could otherwise add `x-amz-copy-source`, and get any other one into its place. */
function assertAllSigned({ signedHeaders }: Claims, { rawHeaders }: SignedParts): void {
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  const unsigned = names.filter((name) => name.startsWith("x-amz-") && !COVERED.has(name) && !signedHeaders.includes(name));
  if (unsigned.length === 0) return;
  throw new R2Error("AccessDenied", `There were headers present in the request which were not signed: ${unsigned.join(", ")}`);
}

type SignedParts = Pick<IncomingMessage, "method" | "rawHeaders">;

/** The signature that a request should have. */
export function signatureOf(claims: Claims, request: SignedParts, { path, query }: Target, secret: string): string {
  const canonical = [
    request.method,
    canonicalPath(path),
    canonicalQuery(query),
    ...claims.signedHeaders.map((name) => `${name}:${canonicalHeader(request, name)}`),
    "",
    claims.signedHeaders.join(";"),
    claims.payload,
  ].join("\n");
  return signText(secret, claims, [ALGORITHM, claims.timestamp, claims.scope, sha256(canonical)].join("\n"));
}

/** The signature of a text by the key that is made of the secret for a request's day, region and service. */
export function signText(secret: string, { scope }: Pick<Claims, "scope">, text: string): string {
  const key = scope.split("/").reduce<string | Buffer>((current, part) => hmac(current, part), `AWS4${secret}`);
  return hmac(key, text).toString("hex");
}

export function sha256(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Compares without telling by time how much was right. */
export function sameText(one: string, other: string): boolean {
  return timingSafeEqual(createHash("sha256").update(one).digest(), createHash("sha256").update(other).digest());
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** Clients differ in what they escape on the way; what is signed has one form. */
function canonicalPath(path: string): string {
  return path
    .split("/")
    .map((part) => escaped(unescaped(part)))
    .join("/");
}

function canonicalQuery(query: string): string {
  return query
    .split("&")
    .filter((part) => part !== "")
    .map(
      (part) =>
        part
          .split(/=(.*)/s)
          .slice(0, 2)
          .map((each) => escaped(unescaped(each))) as [string, string?],
    )
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value = ""]) => [name, value] as const)
    .sort(([a, av], [b, bv]) => (a === b ? order(av, bv) : order(a, b)))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function canonicalHeader(request: SignedParts, name: string): string {
  const values: string[] = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    if (request.rawHeaders[at]?.toLowerCase() === name) values.push((request.rawHeaders[at + 1] ?? "").trim().replace(/\s+/g, " "));
  }
  // Node.js shows a header's bytes as Latin-1; signed is the text that they are.
  return Buffer.from(values.join(","), "latin1").toString("utf8");
}

/** Errors: `InvalidArgument` for escapes that are none. */
export function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new R2Error("InvalidArgument", "The request's URL cannot be decoded.", { cause });
  }
}

/** As AWS escapes: all but letters, digits and `-._~`. */
export function escaped(part: string): string {
  return encodeURIComponent(part).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function text(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

function parseAmzDate(date: string): number {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const time = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  if (Number.isNaN(time)) throw new R2Error("InvalidArgument", "The request does not say when it was signed.");
  return time;
}

function amzDate(time: number): string {
  return Number.isNaN(time) ? "" : `${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}
