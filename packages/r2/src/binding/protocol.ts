import type { ChecksumName, HttpFields, StoredObject } from "@longshore/contract";
import { z } from "zod";
import type { Condition } from "../conditions.js";
import type { Range } from "../ranges.js";

/** The headers of the protocol that workerd's R2 bindings speak. */
export const REQUEST_HEADER = "cf-r2-request";
export const METADATA_SIZE_HEADER = "cf-r2-metadata-size";
export const ERROR_HEADER = "cf-r2-error";

/** Cap'n Proto's JSON writes 64-bit numbers as text. */
const uint64 = z.coerce.number().int().nonnegative();
const uint32 = z.number().int().nonnegative();
const hex = z.string().regex(/^([0-9a-f]{2})+$/i);

const etag = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["strong", "weak"]), value: z.string() }),
  z.object({ type: z.literal("wildcard") }),
]);
const onlyIf = z.object({
  etagMatches: z.array(etag).optional(),
  etagDoesNotMatch: z.array(etag).optional(),
  uploadedBefore: uint64.optional(),
  uploadedAfter: uint64.optional(),
  secondsGranularity: z.boolean().optional(),
});
const range = z.object({ offset: uint64.optional(), length: uint64.optional(), suffix: uint64.optional() });
const httpFields = z.object({
  contentType: z.string().optional(),
  contentLanguage: z.string().optional(),
  contentDisposition: z.string().optional(),
  contentEncoding: z.string().optional(),
  cacheControl: z.string().optional(),
  cacheExpiry: uint64.optional(),
});
const object = z.string();
const ssec = z.object({ key: z.string() }).optional();
const facts = {
  customFields: z.array(z.object({ k: z.string().default(""), v: z.string().default("") })).default([]),
  httpFields: httpFields.default({}),
  storageClass: z.string().optional(),
  ssec,
};
const upload = { object, uploadId: z.string() };

/** What a binding asks, by method. */
export const requestSchema = z.discriminatedUnion("method", [
  z.object({ method: z.literal("head"), object }),
  z.object({
    method: z.literal("get"),
    object,
    range: range.optional(),
    rangeHeader: z.string().optional(),
    onlyIf: onlyIf.optional(),
    ssec,
  }),
  z.object({
    method: z.literal("put"),
    object,
    ...facts,
    onlyIf: onlyIf.optional(),
    md5: z.base64().optional(),
    sha1: hex.optional(),
    sha256: hex.optional(),
    sha384: hex.optional(),
    sha512: hex.optional(),
  }),
  z.object({
    method: z.literal("list"),
    limit: uint32.optional(),
    prefix: z.string().optional(),
    cursor: z.string().optional(),
    delimiter: z.string().optional(),
    startAfter: z.string().optional(),
    include: z.array(uint32).optional(),
  }),
  z.object({ method: z.literal("delete"), object: z.string().optional(), objects: z.array(z.string()).optional() }),
  z.object({ method: z.literal("createMultipartUpload"), object, ...facts }),
  z.object({ method: z.literal("uploadPart"), ...upload, partNumber: uint32, ssec }),
  z.object({
    method: z.literal("completeMultipartUpload"),
    ...upload,
    parts: z.array(z.object({ etag: z.string().default(""), part: uint32.default(0) })),
  }),
  z.object({ method: z.literal("abortMultipartUpload"), ...upload }),
]);

export type BindingRequest = z.infer<typeof requestSchema>;
export type RequestOf<M extends BindingRequest["method"]> = Extract<BindingRequest, { method: M }>;

/** The protocol's numbers for the optional fields of a listing. */
export const INCLUDE = { httpFields: 0, customFields: 1 } as const;

const CHECKSUM_NUMBERS: Record<ChecksumName, number> = { md5: 0, sha1: 1, sha256: 2, sha384: 3, sha512: 4 };

/** An object as a binding reads it. */
export function objectView(object: StoredObject, range?: Range): Record<string, unknown> {
  const { key, version, size, etag, uploaded, storageClass, httpFields, customFields, checksums } = object;
  return {
    name: key,
    version,
    size,
    etag,
    uploaded,
    storageClass,
    httpFields,
    customFields: Object.entries(customFields).map(([k, v]) => ({ k, v })),
    checksums: Object.fromEntries(Object.entries(checksums).map(([name, digest]) => [CHECKSUM_NUMBERS[name as ChecksumName], digest])),
    ...(range === undefined ? {} : { range }),
  };
}

/** Without the fields that are not there, as the rest of R2 takes them. */
export function conditionOf(given: z.infer<typeof onlyIf> | undefined): Condition | undefined {
  return given === undefined ? undefined : (defined(given) as Condition);
}

export function factsOf({
  httpFields,
  customFields,
  storageClass,
}: Pick<RequestOf<"put">, "httpFields" | "customFields" | "storageClass">) {
  return {
    httpFields: defined(httpFields) as HttpFields,
    customFields: Object.fromEntries(customFields.map(({ k, v }) => [k, v])),
    ...(storageClass === undefined ? {} : { storageClass }),
  };
}

export function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
