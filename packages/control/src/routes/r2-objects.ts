import { Readable } from "node:stream";
import { type HttpFields, LongshoreError, type StoredObject } from "@longshore/contract";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { checked } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { API_CODE, ApiError } from "../api/errors.js";
import type { Services } from "../services/services.js";

const query = z.object({
  prefix: z.string().optional(),
  delimiter: z.string().optional(),
  cursor: z.string().optional(),
  per_page: z.coerce.number().int().min(1).max(1000).optional(),
});

/** HTTP's names for the fields that an object is sent with. */
const HEADERS: Readonly<Record<string, Exclude<keyof HttpFields, "cacheExpiry">>> = {
  "content-type": "contentType",
  "content-language": "contentLanguage",
  "content-disposition": "contentDisposition",
  "content-encoding": "contentEncoding",
  "cache-control": "cacheControl",
};

/** The objects of an R2 bucket: the same ones that Workers and S3 clients see. Bodies pass through as they come. */
export function r2Objects({ buckets, options }: Services): Hono {
  const { objects } = options;
  const bucketOf = async (c: Context): Promise<string> => (await buckets.get(c.req.param("bucket") ?? "")).name;
  return new Hono()
    .get("/r2/buckets/:bucket/objects", async (c) => {
      const { per_page: limit = 20, ...rest } = checked(c.req.query(), query, "The query");
      const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined && value !== ""));
      const page = await objects.list(await bucketOf(c), { ...given, limit });
      const info = { per_page: limit, cursor: page.cursor ?? "", is_truncated: page.cursor !== undefined, delimited: page.prefixes };
      return ok(page.objects.map(view), info);
    })
    .get("/r2/buckets/:bucket/objects/:key{.+}", async (c) => {
      const key = keyOf(c);
      const found = await objects.get(await bucketOf(c), key);
      if (found === undefined)
        throw new ApiError("NOT_FOUND", API_CODE.OBJECT_NOT_FOUND, `The bucket has no object ${JSON.stringify(key)}.`);
      return new Response(Readable.toWeb(found.body) as ReadableStream, { headers: headersOf(found.object) });
    })
    .put("/r2/buckets/:bucket/objects/:key{.+}", async (c) => {
      const { headers, body } = c.req.raw;
      const length = headers.get("content-length");
      const storageClass = headers.get("cf-r2-storage-class");
      const facts = {
        httpFields: fieldsOf(headers),
        customFields: {},
        ...(storageClass === null ? {} : { storageClass }),
        ...(length === null ? {} : { size: Number(length) }),
      };
      return ok(view(await unlocked(objects.put(await bucketOf(c), keyOf(c), body ?? Readable.from([]), facts))));
    })
    .delete("/r2/buckets/:bucket/objects/:key{.+}", async (c) => {
      await unlocked(objects.delete(await bucketOf(c), [keyOf(c)]));
      return ok({ key: keyOf(c) });
    });
}

/** What only a lock rule forbids, under its number: that of a missing permission would have clients ask whose the token is. */
async function unlocked<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (cause) {
    if (!(cause instanceof LongshoreError && cause.code === "FORBIDDEN")) throw cause;
    const hint = "`wrangler r2 bucket lock list` shows the bucket's lock rules.";
    throw new ApiError("FORBIDDEN", API_CODE.OBJECT_LOCKED, "The object is locked by the bucket policy.", { cause, hint });
  }
}

/** Clients send the key as it is: its slashes are not escaped, and what else they escape is what a URL needs. */
function keyOf(c: Context): string {
  const key = /\/r2\/buckets\/[^/]+\/objects\/(.*)$/.exec(new URL(c.req.url).pathname)?.[1] ?? "";
  try {
    return decodeURIComponent(key);
  } catch {
    // A percent sign that escapes nothing is one.
    return key;
  }
}

function fieldsOf(headers: Headers): HttpFields {
  const fields: Record<string, string | number> = {};
  for (const [header, field] of Object.entries(HEADERS)) {
    const value = headers.get(header);
    if (value !== null) fields[field] = value;
  }
  const expires = Date.parse(headers.get("expires") ?? "");
  return Number.isNaN(expires) ? fields : { ...fields, cacheExpiry: expires };
}

function headersOf({ httpFields, etag, size, uploaded }: StoredObject): Headers {
  const headers = new Headers({ "content-type": "application/octet-stream" });
  for (const [header, field] of Object.entries(HEADERS)) {
    const value = httpFields[field];
    // What a Worker has said may be no text for a header.
    if (value !== undefined && /^[\x20-\x7e\x80-\xff]*$/.test(value)) headers.set(header, value);
  }
  if (httpFields.cacheExpiry !== undefined) headers.set("expires", new Date(httpFields.cacheExpiry).toUTCString());
  headers.set("etag", `"${etag}"`);
  headers.set("last-modified", new Date(uploaded).toUTCString());
  headers.set("content-length", String(size));
  return headers;
}

function view({ key, size, etag, uploaded, version, httpFields, customFields, storageClass }: StoredObject): Record<string, unknown> {
  return {
    key,
    size,
    etag,
    version,
    last_modified: new Date(uploaded).toISOString(),
    http_metadata: httpFields,
    custom_metadata: customFields,
    storage_class: storageClass,
  };
}
