import type { StoredObject } from "@longshore/contract";
import { R2Error } from "../errors.js";
import { answer, sendBody } from "../http/body.js";
import type { PutRequest, Read } from "../objects.js";
import { parseRangeHeader } from "../ranges.js";
import { type Exchange, header, isoDate, quoted, recordOf, sendNothing, sendXml } from "./exchange.js";
import { conditionIn, factsOf, objectHeaders } from "./facts.js";
import { unescaped } from "./signature.js";

/** In a signed URL, what the answer's headers are to be in place of the object's. */
const OVERRIDES = ["content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding"];

/** GetObject, HeadObject. */
export async function getObject(exchange: Exchange): Promise<void> {
  const { storage, request, response, key, query } = exchange;
  const onlyIf = conditionIn(exchange);
  const wanted = header(exchange, "range");
  const range = wanted === undefined ? undefined : parseRangeHeader(wanted);
  const read = await storage.objects.get(await recordOf(exchange), key, { ...(onlyIf && { onlyIf }), ...(range && { range }) });
  if (read === undefined) throw new R2Error("NoSuchKey");
  const { object, body, verdict } = read;
  if (verdict === "same")
    return sendNothing(exchange, 304, { etag: quoted(object.etag), "last-modified": new Date(object.uploaded).toUTCString() });
  if (body === undefined) throw new R2Error("PreconditionFailed");
  const headers = objectHeaders(object);
  for (const name of OVERRIDES) {
    const value = query.get(`response-${name}`);
    if (value !== null && /^[\t\x20-\x7e]*$/.test(value)) headers[name] = value;
  }
  const partial = range !== undefined;
  const { offset, length } = read.range;
  response.writeHead(partial ? 206 : 200, {
    ...headers,
    "content-length": length,
    ...(partial ? { "content-range": `bytes ${offset}-${offset + length - 1}/${object.size}` } : {}),
  });
  if (request.method === "HEAD") {
    body.destroy();
    response.end();
    return;
  }
  await sendBody(response, body);
}

/** PutObject, CopyObject. */
export async function putObject(exchange: Exchange): Promise<void> {
  if (header(exchange, "x-amz-copy-source") !== undefined) return await copyObject(exchange);
  const { body, expected } = exchange.payload;
  const { etag } = await put(exchange, body, { ...factsOf(exchange), ...expected });
  sendNothing(exchange, 200, { etag: quoted(etag) });
}

async function copyObject(exchange: Exchange): Promise<void> {
  const { object, body } = await copySource(exchange);
  try {
    const replace = header(exchange, "x-amz-metadata-directive")?.toUpperCase() === "REPLACE";
    const given = factsOf(exchange);
    const { httpFields, customFields } = replace ? given : object;
    const storageClass = given.storageClass ?? object.storageClass;
    const written = await put(exchange, body, { httpFields, customFields, storageClass, size: object.size });
    sendXml(exchange, "CopyObjectResult", { LastModified: isoDate(written.uploaded), ETag: quoted(written.etag) });
  } finally {
    body.destroy();
  }
}

async function put(exchange: Exchange, body: AsyncIterable<Uint8Array>, request: PutRequest): Promise<StoredObject> {
  const onlyIf = conditionIn(exchange);
  const written = await exchange.storage.objects.put(await recordOf(exchange), exchange.key, body, {
    ...request,
    ...(onlyIf && { onlyIf }),
  });
  if (written === undefined) throw new R2Error("PreconditionFailed");
  return written;
}

/** The object that `x-amz-copy-source` names, and the part of it that `x-amz-copy-source-range` does. Errors: `NoSuchKey`, `PreconditionFailed`. */
export async function copySource(exchange: Exchange): Promise<Read & { body: NonNullable<Read["body"]> }> {
  const source = unescaped((header(exchange, "x-amz-copy-source") ?? "").replace(/\?versionId=.*$/, ""));
  const [, bucket = "", key = ""] = /^\/?([^/]+)\/(.+)$/s.exec(source) ?? [];
  if (key === "") throw new R2Error("InvalidArgument", "x-amz-copy-source must be a bucket and a key.");
  const onlyIf = conditionIn(exchange, "x-amz-copy-source-");
  const wanted = header(exchange, "x-amz-copy-source-range");
  const range = wanted === undefined ? undefined : parseRangeHeader(wanted);
  const record = await exchange.storage.records.get(bucket);
  const read = await exchange.storage.objects.get(record, key, { ...(onlyIf && { onlyIf }), ...(range && { range }) });
  if (read === undefined) throw new R2Error("NoSuchKey");
  if (read.body === undefined) throw new R2Error("PreconditionFailed");
  return { ...read, body: read.body };
}

export async function deleteObject(exchange: Exchange): Promise<void> {
  await exchange.storage.objects.delete(await recordOf(exchange), exchange.key);
  answer(exchange.request, exchange.response, 204, {});
}
