import type { IncomingMessage, ServerResponse } from "node:http";
import { RegistryError } from "./errors.js";

/** One request and its answer, with what is known of both when a route sees them. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly query: URLSearchParams;
  readonly access: Access;
}

/** What the caller may do. */
export interface Access {
  /** The namespace it is confined to: its repositories are `<repositoryPrefix>/…`. `undefined` when it may see all. */
  readonly repositoryPrefix: string | undefined;
  readonly push: boolean;
  readonly pull: boolean;
}

/** True when the caller's namespace contains the repository. */
export function mayName(access: Access, repository: string): boolean {
  return access.repositoryPrefix === undefined || repository.startsWith(namespaceOf(access));
}

/** True when the caller's namespace contains the whole account (the first part of its name) that the repository belongs to. */
export function mayNameAccountOf(access: Access, repository: string): boolean {
  return mayName(access, repository.slice(0, repository.indexOf("/") + 1));
}

/** What the names of all repositories of the caller begin with. */
export function namespaceOf(access: Access): string {
  const prefix = access.repositoryPrefix;
  return prefix === undefined || prefix.endsWith("/") ? (prefix ?? "") : `${prefix}/`;
}

/** Answers with headers only. */
export function sendEmpty(res: ServerResponse, status: number, headers: Record<string, string | number> = {}): void {
  res.writeHead(status, { "content-length": 0, ...headers }).end();
}

/** Answers with JSON; after `HEAD` Node.js leaves out the body. */
export function sendJson(res: ServerResponse, status: number, body: unknown, headers: Record<string, string | number> = {}): void {
  const bytes = Buffer.from(JSON.stringify(body));
  res.writeHead(status, { "content-type": "application/json", "content-length": bytes.length, ...headers }).end(bytes);
}

/** How long a client may go on sending after it was answered, before the connection is closed. */
const LINGER_MS = 10_000;

/**
 * As {@link sendJson}, to a client that may still be sending its body: the connection stays until that is read. Node.js would close one that the
 * client asked to have closed, and the client would see a broken pipe in place of the answer.
 */
export function sendJsonEarly(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string | number> = {},
): void {
  if (req.complete) {
    sendJson(res, status, body, headers);
    return;
  }
  const bytes = Buffer.from(JSON.stringify(body));
  res.writeHead(status, { "content-type": "application/json", "content-length": bytes.length, ...headers }).write(bytes);
  const end = (): void => {
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  req.once("end", end).once("close", end).resume();
}

/**
 * The bytes of a request as they come. Stopping early leaves the connection open, so that an answer can still be sent: the default iterator would
 * cut it, and the client would see a broken pipe in place of the reason.
 */
export function bodyOf(req: IncomingMessage): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => req.iterator({ destroyOnReturn: false }) };
}

/** Reads a whole request body. Errors: `SIZE_INVALID` (413) when there are more than `limit` bytes. */
export async function readBody(req: IncomingMessage, limit: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bodyOf(req)) {
    size += chunk.length;
    if (size > limit) throw new RegistryError("SIZE_INVALID", `The ${what} is larger than ${limit} bytes.`, { status: 413 });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The declared length of the request's body in bytes; `undefined` when it comes in chunks. */
export function contentLength(req: IncomingMessage): number | undefined {
  const header = req.headers["content-length"];
  return header === undefined ? undefined : Number(header);
}

/**
 * The range that a `Range` header asks for. `undefined` = all: without a header, and for what a server may ignore (several ranges, other units).
 * Errors: `SIZE_INVALID` with status 416 when it lies outside.
 */
export function requestedRange(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  const [, first = "", last = ""] = match;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (start <= end) return { start, end };
  throw new RegistryError("SIZE_INVALID", `The range ${header} lies outside of the ${size} bytes there are.`, {
    status: 416,
    headers: { "content-range": `bytes */${size}` },
  });
}

/** A page of sorted names as the `n` and `last` of a query ask for it, and the `Link` header to the next one. */
export function page(
  names: readonly string[],
  path: string,
  query: URLSearchParams,
): { names: readonly string[]; headers: Record<string, string> } {
  const last = query.get("last");
  const rest = last === null ? names : names.filter((name) => name > last);
  const n = query.get("n");
  if (n === null) return { names: rest, headers: {} };
  if (!/^\d{1,9}$/.test(n)) {
    throw new RegistryError("SIZE_INVALID", `The page size ${JSON.stringify(n)} is not a number.`, { hint: "Give n as a whole number." });
  }
  const shown = rest.slice(0, Number(n));
  const end = shown.at(-1);
  if (end === undefined || shown.length === rest.length) return { names: shown, headers: {} };
  return { names: shown, headers: { link: `<${path}?n=${n}&last=${encodeURIComponent(end)}>; rel="next"` } };
}
