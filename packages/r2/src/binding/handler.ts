import type { IncomingMessage, ServerResponse } from "node:http";
import type { ChecksumName } from "@longshore/contract";
import type { BucketRecord } from "../buckets.js";
import { R2Error, told } from "../errors.js";
import { answerAtEnd, bodyOf, sendBody, takeHead } from "../http/body.js";
import { parseRangeHeader } from "../ranges.js";
import type { R2Storage } from "../storage.js";
import {
  conditionOf,
  defined,
  ERROR_HEADER,
  factsOf,
  INCLUDE,
  METADATA_SIZE_HEADER,
  objectView,
  REQUEST_HEADER,
  type RequestOf,
  requestSchema,
} from "./protocol.js";

/** A thousand keys of 1,024 bytes, escaped as JSON at its worst. */
const LARGEST_METADATA = 8 * 1024 ** 2;
/** workerd takes at most 1 MiB of metadata from an answer. */
const LARGEST_PAGE = 1000 * 1024;

interface Exchange {
  readonly storage: R2Storage;
  readonly record: BucketRecord;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Answers workerd's R2 bindings. `bucketOf` tells from a request which bucket it is for: from something that a Worker cannot set. GET carries its JSON in a header,
 * PUT in front of the body; what is answered stands in front of an object's bytes.
 */
export function bindingHandler(storage: R2Storage, bucketOf: (request: IncomingMessage) => string) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const serve = async (): Promise<void> => {
      const record = await storage.records.get(bucketOf(request));
      const exchange = { storage, record, request, response };
      if (request.method === "GET") await read(exchange);
      else if (request.method === "PUT") await write(exchange);
      else throw new R2Error("MethodNotAllowed");
    };
    serve().catch((error: unknown) => fail(storage, request, response, error));
  };
}

async function read(exchange: Exchange): Promise<void> {
  const header = exchange.request.headers[REQUEST_HEADER];
  // Node.js shows a header's bytes as Latin-1.
  const wanted = parse(Buffer.from(typeof header === "string" ? header : "", "latin1"));
  switch (wanted.method) {
    case "head":
      return await head(exchange, wanted);
    case "get":
      return await get(exchange, wanted);
    case "list":
      return await list(exchange, wanted);
    default:
      throw new R2Error("InvalidArgument", `"${wanted.method}" is not asked with GET.`);
  }
}

async function head({ storage, record, request, response }: Exchange, { object: key }: RequestOf<"head">): Promise<void> {
  const found = await storage.objects.head(record, key);
  if (found === undefined) throw new R2Error("NoSuchKey");
  sendMetadata(request, response, 200, objectView(found));
}

async function get({ storage, record, request, response }: Exchange, wanted: RequestOf<"get">): Promise<void> {
  refuseCustomerKeys(wanted);
  const onlyIf = conditionOf(wanted.onlyIf);
  const range = wanted.rangeHeader === undefined ? wanted.range && defined(wanted.range) : parseRangeHeader(wanted.rangeHeader);
  const found = await storage.objects.get(record, wanted.object, { ...(onlyIf && { onlyIf }), ...(range && { range }) });
  if (found === undefined) throw new R2Error("NoSuchKey");
  if (found.body === undefined) {
    // The binding shows what there is, without its bytes.
    const failure = new R2Error("PreconditionFailed");
    return sendMetadata(request, response, failure.status, objectView(found.object), errorHeader(failure.v4, failure.message));
  }
  const metadata = Buffer.from(JSON.stringify(objectView(found.object, range === undefined ? undefined : found.range)));
  response.writeHead(200, { [METADATA_SIZE_HEADER]: metadata.length, "content-length": metadata.length + found.range.length });
  response.write(metadata);
  await sendBody(response, found.body);
}

async function list({ storage, record, request, response }: Exchange, wanted: RequestOf<"list">): Promise<void> {
  const { method: _method, include, limit, ...query } = defined(wanted);
  const shown = include ?? Object.values(INCLUDE);
  const page = await storage.list(record.name, { ...query, limit: limit ?? 1000, maxBytes: LARGEST_PAGE });
  const objects = page.objects.map((object) => {
    const { httpFields, customFields, ...view } = objectView(object);
    return {
      ...view,
      ...(shown.includes(INCLUDE.httpFields) ? { httpFields } : {}),
      ...(shown.includes(INCLUDE.customFields) ? { customFields } : {}),
    };
  });
  const { cursor, prefixes } = page;
  const answered = { objects, truncated: cursor !== undefined, delimitedPrefixes: prefixes, ...(cursor === undefined ? {} : { cursor }) };
  sendMetadata(request, response, 200, answered);
}

async function write(exchange: Exchange): Promise<void> {
  const { storage, record, request, response } = exchange;
  const size = Number(request.headers[METADATA_SIZE_HEADER]);
  if (!Number.isInteger(size) || size < 0 || size > LARGEST_METADATA) throw new R2Error("InvalidArgument", "Metadata missing or invalid");
  const metadata = await takeHead(request, size);
  const rest = bodyOf(request);
  const length = request.headers["content-length"];
  const bodySize = length === undefined ? {} : { size: Number(length) - size };
  const wanted = parse(metadata);
  switch (wanted.method) {
    case "put":
      return await put(exchange, wanted, rest, bodySize);
    case "delete": {
      const keys = wanted.objects ?? (wanted.object === undefined ? [] : [wanted.object]);
      await storage.delete(record.name, keys);
      return answerAtEnd(request, response, 200, {});
    }
    case "createMultipartUpload": {
      refuseCustomerKeys(wanted);
      const { uploadId } = await storage.uploads.create(record, wanted.object, factsOf(wanted));
      return sendJson(request, response, { uploadId });
    }
    case "uploadPart": {
      refuseCustomerKeys(wanted);
      const { object, uploadId, partNumber } = wanted;
      const { etag } = await storage.uploads.putPart(record, object, uploadId, partNumber, rest, bodySize);
      return sendJson(request, response, { etag });
    }
    case "completeMultipartUpload": {
      const named = wanted.parts.map(({ part, etag }) => ({ partNumber: part, etag })).sort((a, b) => a.partNumber - b.partNumber);
      return sendJson(request, response, objectView(await storage.uploads.complete(record, wanted.object, wanted.uploadId, named)));
    }
    case "abortMultipartUpload":
      await storage.uploads.abort(record, wanted.object, wanted.uploadId);
      return answerAtEnd(request, response, 200, {});
    default:
      throw new R2Error("InvalidArgument", `"${wanted.method}" is not asked with PUT.`);
  }
}

async function put(
  { storage, record, request, response }: Exchange,
  wanted: RequestOf<"put">,
  body: AsyncIterable<Buffer>,
  size: { readonly size?: number },
): Promise<void> {
  refuseCustomerKeys(wanted);
  const { md5, sha1, sha256, sha384, sha512 } = wanted;
  const given = { md5: md5 && Buffer.from(md5, "base64").toString("hex"), sha1, sha256, sha384, sha512 };
  const checksums = defined(given) as Partial<Record<ChecksumName, string>>;
  const onlyIf = conditionOf(wanted.onlyIf);
  const written = await storage.objects.put(record, wanted.object, body, {
    ...factsOf(wanted),
    ...size,
    checksums,
    ...(onlyIf && { onlyIf }),
  });
  if (written === undefined) throw new R2Error("PreconditionFailed");
  sendJson(request, response, objectView(written));
}

function parse(json: Buffer) {
  try {
    return requestSchema.parse(JSON.parse(json.toString("utf8")));
  } catch (cause) {
    throw new R2Error("InvalidArgument", "Metadata missing or invalid", { cause });
  }
}

function refuseCustomerKeys({ ssec }: { readonly ssec?: unknown }): void {
  if (ssec !== undefined) throw new R2Error("NotImplemented", "Encryption with keys of one's own (ssecKey) is not served by Longshore.");
}

function sendMetadata(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  metadata: unknown,
  headers: Record<string, string> = {},
): void {
  const bytes = Buffer.from(JSON.stringify(metadata));
  answerAtEnd(request, response, status, { [METADATA_SIZE_HEADER]: bytes.length, ...headers }, bytes);
}

function sendJson(request: IncomingMessage, response: ServerResponse, value: unknown): void {
  answerAtEnd(request, response, 200, { "content-type": "application/json" }, Buffer.from(JSON.stringify(value)));
}

/** A header takes ASCII alone. */
function errorHeader(v4: number, message: string): Record<string, string> {
  const json = JSON.stringify({ version: 1, v4code: v4, message });
  const ascii = json.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return { [ERROR_HEADER]: ascii };
}

function fail(storage: R2Storage, request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  if (request.errored !== null || response.destroyed) return void response.destroy();
  const { status, v4, message } = told(thrown, "A request of an R2 binding");
  if (status === 500)
    storage.log.error("a request of an R2 binding failed", { error: thrown instanceof Error ? (thrown.stack ?? "") : String(thrown) });
  // Half an answer can only be broken off.
  if (response.headersSent) return void response.destroy();
  answerAtEnd(request, response, status, errorHeader(v4, message));
}
