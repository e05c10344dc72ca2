/** An HTTP request that arrived in one piece. */
export interface WholeRequest {
  readonly method: string;
  /** Path and query, or what CONNECT names. */
  readonly target: string;
  /** The body; behind a CONNECT, what came with it. */
  readonly body: Buffer;
}

const HEAD_END = "\r\n\r\n";
/** Longer heads, and other methods, are for a real parser. */
const MAX_HEAD_BYTES = 2048;
const REQUEST_LINE = /^(GET|PUT|POST|DELETE|CONNECT) ([!-~]+) HTTP\/1\.1$/;
const HEADER = /^([A-Za-z-]+): ([ -~]*)$/;
/** Headers that change nothing about how a small request is read and answered. */
const HARMLESS: ReadonlySet<string> = new Set(["host", "content-type", "x-dst-addr"]);
const LENGTH = /^\d{1,6}$/;
const NO_CHUNKS = "0\r\n\r\n";

/**
 * The request that `bytes` are, if they are exactly one, and a plain one: no header but those that workerd sends for its small calls, a body of a stated
 * length or an empty one. `undefined` for everything else, however slight the doubt: it is left to a parser that knows all of HTTP.
 */
export function wholeRequest(bytes: Buffer): WholeRequest | undefined {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0 || end > MAX_HEAD_BYTES) return undefined;
  const [line = "", ...headers] = bytes.toString("latin1", 0, end).split("\r\n");
  const [, method, target] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) return undefined;
  const rest = bytes.subarray(end + HEAD_END.length);
  const framing = framingOf(headers);
  if (framing === undefined) return undefined;
  if (method === "CONNECT") return framing === "none" ? { method, target, body: rest } : undefined;
  const body = bodyOf(framing, rest);
  return body === undefined ? undefined : { method, target, body };
}

/** How the body is delimited: not at all, in chunks, or by its length. `undefined` when another header is there, or two that say it. */
function framingOf(headers: readonly string[]): "none" | "chunks" | number | undefined {
  let framing: "none" | "chunks" | number = "none";
  for (const header of headers) {
    const [, name = "", value = ""] = HEADER.exec(header) ?? [];
    const lower = name.toLowerCase();
    if (HARMLESS.has(lower)) continue;
    if (framing !== "none") return undefined;
    if (lower === "content-length" && LENGTH.test(value)) framing = Number(value);
    else if (lower === "transfer-encoding" && value === "chunked") framing = "chunks";
    else return undefined;
  }
  return framing;
}

function bodyOf(framing: "none" | "chunks" | number, rest: Buffer): Buffer | undefined {
  if (framing === "chunks") return rest.toString("latin1") === NO_CHUNKS ? rest.subarray(rest.length) : undefined;
  return rest.length === (framing === "none" ? 0 : framing) ? rest : undefined;
}
