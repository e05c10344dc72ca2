import { inParallel, type KeyFacts } from "@longshore/contract";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { checked, parseJson, readBody, readForm } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { API_CODE, ApiError } from "../api/errors.js";
import type { Services } from "../services/services.js";

/** A value of 25 MiB, and the form around it. KV itself refuses a value that is too large, and says so better. */
const VALUE_LIMIT = 26 * 1024 * 1024;
/** As Cloudflare: ten thousand pairs, 100 MB. */
const BULK_LIMIT = 100 * 1024 * 1024;
const BULK_PAIRS = 10_000;
const BULK_READS = 100;
/** Writes that are under way together share a sync of the disk. */
const PARALLEL = 32;

const seconds = z.coerce.number().int().positive();
const facts = z.object({ expiration: seconds.optional(), expiration_ttl: seconds.optional() });
const pair = z.object({
  key: z.string(),
  value: z.string(),
  base64: z.boolean().nullish(),
  metadata: z.unknown().optional(),
  expiration: seconds.nullish(),
  expiration_ttl: seconds.nullish(),
});
const keyNames = z.array(z.string()).max(BULK_PAIRS);
const bulkGet = z.object({
  keys: z.array(z.string()).min(1).max(BULK_READS),
  type: z.enum(["text", "json"]).nullish(),
  withMetadata: z.boolean().nullish(),
});

/** The keys and values of a KV namespace: the same ones that Workers see. */
export function kvValues(services: Services): Hono {
  const { stores, options } = services;
  const { keyValues } = options;
  const namespace = async (c: Context): Promise<string> => (await stores.namespace(c.req.param("namespace") ?? "")).id;
  const removeAll = async (c: Context): Promise<Response> => {
    const id = await namespace(c);
    const keys = checked(await bulkBody(c), keyNames, "The list of keys");
    await inParallel(PARALLEL, keys, (key) => keyValues.delete(id, key));
    return ok({ successful_key_count: keys.length, unsuccessful_keys: [] });
  };
  return new Hono()
    .get("/storage/kv/namespaces/:namespace/keys", async (c) => {
      const { prefix, limit, cursor } = c.req.query();
      const count = limit === undefined ? undefined : checked(limit, seconds, "The limit");
      const page = await keyValues.list(await namespace(c), {
        ...(prefix ? { prefix } : {}),
        ...(cursor ? { cursor } : {}),
        ...(count === undefined ? {} : { limit: count }),
      });
      return ok(page.keys.map(keyView), { count: page.keys.length, cursor: page.cursor ?? "" });
    })
    .get("/storage/kv/namespaces/:namespace/values/:key", async (c) => {
      const { value } = await read(services, await namespace(c), c.req.param("key"));
      return new Response(value as Uint8Array<ArrayBuffer>, { headers: { "content-type": "application/octet-stream" } });
    })
    .get("/storage/kv/namespaces/:namespace/metadata/:key", async (c) => {
      const { metadata } = await read(services, await namespace(c), c.req.param("key"));
      return ok(metadata === undefined ? null : JSON.parse(metadata));
    })
    .put("/storage/kv/namespaces/:namespace/values/:key", async (c) => {
      const id = await namespace(c);
      const { expiration, expiration_ttl } = checked(c.req.query(), facts, "The query");
      const { value, metadata } = await uploadedValue(c.req.raw);
      const given = definedFacts({ expiration, expirationTtl: expiration_ttl, metadata });
      await keyValues.put(id, c.req.param("key"), value, given);
      return ok(null);
    })
    .delete("/storage/kv/namespaces/:namespace/values/:key", async (c) => {
      await keyValues.delete(await namespace(c), c.req.param("key"));
      return ok(null);
    })
    .put("/storage/kv/namespaces/:namespace/bulk", async (c) => {
      const id = await namespace(c);
      const pairs = checked(await bulkBody(c), z.array(pair).max(BULK_PAIRS), "The list of pairs");
      await inParallel(PARALLEL, pairs, ({ key, value, base64, expiration, expiration_ttl, metadata }) =>
        keyValues.put(
          id,
          key,
          Buffer.from(value, base64 === true ? "base64" : "utf8"),
          definedFacts({ expiration, expirationTtl: expiration_ttl, metadata: metadata == null ? undefined : JSON.stringify(metadata) }),
        ),
      );
      return ok({ successful_key_count: pairs.length, unsuccessful_keys: [] });
    })
    .delete("/storage/kv/namespaces/:namespace/bulk", removeAll)
    .post("/storage/kv/namespaces/:namespace/bulk/delete", removeAll)
    .post("/storage/kv/namespaces/:namespace/bulk/get", async (c) => {
      const id = await namespace(c);
      const { keys, type, withMetadata } = checked(await bulkBody(c), bulkGet, "The list of keys");
      const values: Record<string, unknown> = Object.create(null);
      for (const key of keys) {
        const found = await keyValues.get(id, key);
        const text = found === undefined ? undefined : Buffer.from(found.value).toString();
        const value = text !== undefined && type === "json" ? parseJson(text, `The value of ${JSON.stringify(key)}`) : (text ?? null);
        values[key] =
          withMetadata && found !== undefined
            ? { value, metadata: found.metadata === undefined ? null : JSON.parse(found.metadata) }
            : value;
      }
      return ok({ values });
    });
}

async function read({ options }: Services, namespace: string, key: string): Promise<{ value: Uint8Array; metadata?: string }> {
  const found = await options.keyValues.get(namespace, key);
  if (found !== undefined) return found;
  throw new ApiError("NOT_FOUND", API_CODE.KV_KEY_NOT_FOUND, `The KV namespace has no key ${JSON.stringify(key)}.`);
}

async function bulkBody(c: Context): Promise<unknown> {
  return parseJson(new TextDecoder().decode(await readBody(c.req.raw, BULK_LIMIT)), "The request's body");
}

/** The bytes alone, or a form that has metadata too. */
async function uploadedValue(request: Request): Promise<{ value: Uint8Array; metadata: string | undefined }> {
  if (!/^multipart\/form-data/i.test(request.headers.get("content-type") ?? "")) {
    return { value: await readBody(request, VALUE_LIMIT), metadata: undefined };
  }
  const form = await readForm(request, VALUE_LIMIT);
  const value = form.get("value");
  const metadata = form.get("metadata");
  const metadataText = metadata === null ? undefined : typeof metadata === "string" ? metadata : await metadata.text();
  if (metadataText !== undefined) parseJson(metadataText, "The metadata");
  const bytes = value === null || typeof value === "string" ? Buffer.from(value ?? "") : new Uint8Array(await value.arrayBuffer());
  return { value: bytes, metadata: metadataText };
}

function definedFacts(given: {
  expiration?: number | null | undefined;
  expirationTtl?: number | null | undefined;
  metadata?: string | undefined;
}): KeyFacts & { expirationTtl?: number } {
  return {
    ...(given.expiration == null ? {} : { expiration: given.expiration }),
    ...(given.expirationTtl == null ? {} : { expirationTtl: given.expirationTtl }),
    ...(given.metadata === undefined ? {} : { metadata: given.metadata }),
  };
}

function keyView({ name, expiration, metadata }: KeyFacts & { name: string }): Record<string, unknown> {
  return {
    name,
    ...(expiration === undefined ? {} : { expiration }),
    ...(metadata === undefined ? {} : { metadata: JSON.parse(metadata) as unknown }),
  };
}
