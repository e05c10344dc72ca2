import { inParallel } from "@longshore/contract";
import { z } from "zod";
import { R2Error, told } from "../errors.js";
import { cursorBehind, MOST_KEYS } from "../listing.js";
import { type Exchange, isoDate, numberIn, quoted, recordOf, sendNothing, sendXml } from "./exchange.js";
import { storageClassName } from "./facts.js";
import { readPayload } from "./payload.js";
import { escaped } from "./signature.js";
import { parseXml, type Tree } from "./xml.js";

const LARGEST_REQUEST = 8 * 1024 ** 2;
const PARALLEL_DELETES = 16;
const OWNER = { ID: "longshore", DisplayName: "longshore" };

export async function listBuckets(exchange: Exchange): Promise<void> {
  const buckets = await exchange.storage.buckets();
  const Bucket = buckets.map(({ name, createdOn }) => ({ Name: name, CreationDate: createdOn }));
  sendXml(exchange, "ListAllMyBucketsResult", { Owner: OWNER, Buckets: { Bucket } });
}

export async function createBucket(exchange: Exchange): Promise<void> {
  // What it says of a place is of no consequence; its checksum is.
  await readPayload(exchange.payload, LARGEST_REQUEST);
  await exchange.storage.createBucket(exchange.bucket);
  sendNothing(exchange, 200, { location: `/${exchange.bucket}` });
}

export async function headBucket(exchange: Exchange): Promise<void> {
  await recordOf(exchange);
  sendNothing(exchange, 200, { "x-amz-bucket-region": "auto" });
}

export async function deleteBucket(exchange: Exchange): Promise<void> {
  await exchange.storage.deleteBucket(exchange.bucket);
  sendNothing(exchange, 204);
}

export async function bucketLocation(exchange: Exchange): Promise<void> {
  await recordOf(exchange);
  sendXml(exchange, "LocationConstraint", { "#text": "auto" });
}

/** There are none: as of a bucket for which nobody has ever asked for them. */
export async function bucketVersioning(exchange: Exchange): Promise<void> {
  await recordOf(exchange);
  sendXml(exchange, "VersioningConfiguration", {});
}

/** ListObjectsV2. */
export async function listObjectsV2(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const [cursor, startAfter] = [query.get("continuation-token"), query.get("start-after") ?? ""];
  const page = await listed(exchange, { ...(cursor === null ? { startAfter } : { cursor }) });
  const name = nameIn(exchange);
  sendXml(exchange, "ListBucketResult", {
    ...page.tree,
    KeyCount: page.count,
    ContinuationToken: cursor ?? undefined,
    NextContinuationToken: page.cursor,
    StartAfter: startAfter === "" ? undefined : name(startAfter),
  });
}

/** ListObjects, as s3fs asks. */
export async function listObjectsV1(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const [marker, delimiter] = [query.get("marker") ?? "", query.get("delimiter") ?? ""];
  const page = await listed(exchange, marker === "" ? {} : { cursor: cursorBehind(marker, delimiter) });
  const name = nameIn(exchange);
  const next = page.cursor === undefined ? undefined : name(Buffer.from(page.cursor, "base64url").toString("utf8").slice(1));
  sendXml(exchange, "ListBucketResult", { ...page.tree, Marker: name(marker), NextMarker: next });
}

async function listed(exchange: Exchange, from: { startAfter?: string; cursor?: string }) {
  const { query, storage, bucket } = exchange;
  const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter") ?? ""];
  const asked = numberIn(exchange, "max-keys", MOST_KEYS);
  const limit = Math.min(asked, MOST_KEYS);
  const empty = { objects: [], prefixes: [] as string[], cursor: undefined };
  const page = limit === 0 ? empty : await storage.list(bucket, { prefix, delimiter, limit, ...from });
  if (limit === 0) await recordOf(exchange);
  const name = nameIn(exchange);
  const tree: Tree = {
    Name: bucket,
    Prefix: name(prefix),
    Delimiter: delimiter === "" ? undefined : name(delimiter),
    MaxKeys: asked,
    EncodingType: query.get("encoding-type") ?? undefined,
    IsTruncated: page.cursor !== undefined,
    Contents: page.objects.map(({ key, etag, size, uploaded, storageClass }) => ({
      Key: name(key),
      LastModified: isoDate(uploaded),
      ETag: quoted(etag),
      Size: size,
      StorageClass: storageClassName(storageClass),
    })),
    CommonPrefixes: page.prefixes.map((each) => ({ Prefix: name(each) })),
  };
  return { tree, cursor: page.cursor, count: page.objects.length + page.prefixes.length };
}

/** Names as the client wants them: escaped, when it says so. */
export function nameIn({ query }: Exchange): (name: string) => string {
  return query.get("encoding-type") === "url" ? (name) => escaped(name).replaceAll("%2F", "/") : (name) => name;
}

const deletions = z.object({
  Object: z
    .array(z.object({ Key: z.string().min(1) }))
    .min(1)
    .max(MOST_KEYS),
  Quiet: z.string().optional(),
});

export async function deleteObjects(exchange: Exchange): Promise<void> {
  const request = deletions.safeParse(parseXml(await readPayload(exchange.payload, LARGEST_REQUEST), "Delete"));
  if (!request.success) throw new R2Error("MalformedXML", undefined, { cause: request.error });
  const record = await recordOf(exchange);
  const Deleted: Tree[] = [];
  const Failed: Tree[] = [];
  await inParallel(PARALLEL_DELETES, request.data.Object, async ({ Key }) => {
    try {
      await exchange.storage.objects.delete(record, Key);
      Deleted.push({ Key });
    } catch (error) {
      const { s3, message } = told(error, `Deleting ${Key}`);
      Failed.push({ Key, Code: s3, Message: message });
    }
  });
  const quiet = request.data.Quiet?.trim().toLowerCase() === "true";
  sendXml(exchange, "DeleteResult", { Deleted: quiet ? [] : Deleted, Error: Failed });
}
