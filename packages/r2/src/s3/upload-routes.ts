import { z } from "zod";
import { R2Error } from "../errors.js";
import { nameIn } from "./bucket-routes.js";
import { type Exchange, header, isoDate, numberIn, quoted, recordOf, sendNothing, sendXml } from "./exchange.js";
import { conditionIn, factsOf, storageClassName } from "./facts.js";
import { copySource } from "./object-routes.js";
import { readPayload } from "./payload.js";
import { parseXml } from "./xml.js";

const LARGEST_REQUEST = 8 * 1024 ** 2;

const uploadId = ({ query }: Exchange): string => query.get("uploadId") ?? "";

export async function createUpload(exchange: Exchange): Promise<void> {
  const { storage, bucket, key } = exchange;
  const { uploadId } = await storage.uploads.create(await recordOf(exchange), key, factsOf(exchange));
  sendXml(exchange, "InitiateMultipartUploadResult", { Bucket: bucket, Key: key, UploadId: uploadId });
}

/** UploadPart, UploadPartCopy. */
export async function putPart(exchange: Exchange): Promise<void> {
  const { storage, key, payload } = exchange;
  const number = numberIn(exchange, "partNumber", 0);
  const record = await recordOf(exchange);
  if (header(exchange, "x-amz-copy-source") === undefined) {
    const { etag } = await storage.uploads.putPart(record, key, uploadId(exchange), number, payload.body, payload.expected);
    return sendNothing(exchange, 200, { etag: quoted(etag) });
  }
  const { body, range } = await copySource(exchange);
  try {
    const { etag, uploaded } = await storage.uploads.putPart(record, key, uploadId(exchange), number, body, { size: range.length });
    sendXml(exchange, "CopyPartResult", { LastModified: isoDate(uploaded), ETag: quoted(etag) });
  } finally {
    body.destroy();
  }
}

const completion = z.object({ Part: z.array(z.object({ PartNumber: z.coerce.number().int(), ETag: z.string() })).min(1) });

export async function completeUpload(exchange: Exchange): Promise<void> {
  const { storage, bucket, key, payload } = exchange;
  const request = completion.safeParse(parseXml(await readPayload(payload, LARGEST_REQUEST), "CompleteMultipartUpload"));
  if (!request.success) throw new R2Error("MalformedXML", undefined, { cause: request.error });
  const parts = request.data.Part.map(({ PartNumber, ETag }) => ({ partNumber: PartNumber, etag: ETag.trim().replace(/^"|"$/g, "") }));
  const { etag } = await storage.uploads.complete(await recordOf(exchange), key, uploadId(exchange), parts, conditionIn(exchange));
  sendXml(exchange, "CompleteMultipartUploadResult", { Location: `/${bucket}/${key}`, Bucket: bucket, Key: key, ETag: quoted(etag) });
}

export async function abortUpload(exchange: Exchange): Promise<void> {
  await exchange.storage.uploads.abort(await recordOf(exchange), exchange.key, uploadId(exchange));
  sendNothing(exchange, 204);
}

export async function listParts(exchange: Exchange): Promise<void> {
  const { storage, bucket, key } = exchange;
  const record = await recordOf(exchange);
  const upload = await storage.uploads.get(record, key, uploadId(exchange));
  const marker = numberIn(exchange, "part-number-marker", 0);
  const limit = numberIn(exchange, "max-parts", 1000);
  const behind = (await storage.uploads.parts(record, upload.uploadId)).filter(({ partNumber }) => partNumber > marker);
  const page = behind.slice(0, limit);
  sendXml(exchange, "ListPartsResult", {
    Bucket: bucket,
    Key: key,
    UploadId: upload.uploadId,
    StorageClass: storageClassName(upload.storageClass ?? "Standard"),
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.partNumber ?? 0,
    MaxParts: limit,
    IsTruncated: behind.length > page.length,
    Part: page.map(({ partNumber, etag, size, uploaded }) => ({
      PartNumber: partNumber,
      LastModified: isoDate(uploaded),
      ETag: quoted(etag),
      Size: size,
    })),
  });
}

export async function listUploads(exchange: Exchange): Promise<void> {
  const { storage, bucket, query } = exchange;
  const prefix = query.get("prefix") ?? "";
  const limit = numberIn(exchange, "max-uploads", 1000);
  const [keyMarker, idMarker] = [query.get("key-marker") ?? "", query.get("upload-id-marker") ?? ""];
  const all = (await storage.uploads.all(await recordOf(exchange))).filter(({ key }) => key.startsWith(prefix));
  const at = all.findIndex(({ key, uploadId }) => key === keyMarker && uploadId === idMarker);
  const behind =
    at >= 0 ? all.slice(at + 1) : all.filter(({ key }) => keyMarker === "" || Buffer.compare(Buffer.from(key), Buffer.from(keyMarker)) > 0);
  const page = behind.slice(0, limit);
  const name = nameIn(exchange);
  const last = behind.length > page.length ? page.at(-1) : undefined;
  sendXml(exchange, "ListMultipartUploadsResult", {
    Bucket: bucket,
    Prefix: name(prefix),
    MaxUploads: limit,
    IsTruncated: last !== undefined,
    NextKeyMarker: last === undefined ? undefined : name(last.key),
    NextUploadIdMarker: last?.uploadId,
    Upload: page.map(({ key, uploadId, begun, storageClass }) => ({
      Key: name(key),
      UploadId: uploadId,
      StorageClass: storageClassName(storageClass ?? "Standard"),
      Initiated: isoDate(begun),
    })),
  });
}
