import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Agent } from "node:http";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import {
  AbortMultipartUploadCommand,
  ChecksumAlgorithm,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteBucketWebsiteCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { KEYS, S3Server } from "../testing/s3-server.js";

const PART = 5 * 1024 * 1024;
const toLoopback: LookupFunction = (_name, options, done) => {
  if (options.all === true) done(null, [{ address: "127.0.0.1", family: 4 }]);
  else done(null, "127.0.0.1", 4);
};

describe("the S3 API, asked by AWS's client", () => {
  let server: S3Server;
  let s3: S3Client;
  const clients: S3Client[] = [];
  const client = (config: S3ClientConfig = {}): S3Client => {
    const made = new S3Client({
      endpoint: `http://s3.localhost:${server.port}`,
      region: "auto",
      credentials: KEYS.owner,
      forcePathStyle: true,
      maxAttempts: 1,
      requestHandler: { httpAgent: new Agent({ keepAlive: true, lookup: toLoopback }) },
      ...config,
    });
    clients.push(made);
    return made;
  };
  before(async () => {
    server = await S3Server.start();
    s3 = client();
    await s3.send(new CreateBucketCommand({ Bucket: "box" }));
  });
  after(async () => {
    for (const each of clients) each.destroy();
    await server[Symbol.asyncDispose]();
  });
  const put = (Key: string, Body: string | Uint8Array | Readable = Key, more: object = {}) =>
    s3.send(new PutObjectCommand({ Bucket: "box", Key, Body, ...more }));
  const read = async (Key: string, more: object = {}) => {
    const { Body, ...rest } = await s3.send(new GetObjectCommand({ Bucket: "box", Key, ...more }));
    return { ...rest, text: await Body?.transformToString() };
  };
  const refused = async (promise: Promise<unknown>) => {
    const error = await promise.then(
      () => assert.fail("it was not refused"),
      (failure: { name: string; Code?: string; $metadata?: { httpStatusCode?: number } }) => failure,
    );
    return `${error.$metadata?.httpStatusCode} ${error.Code ?? error.name}`;
  };

  test("buckets", async () => {
    await s3.send(new CreateBucketCommand({ Bucket: "second" }));
    const { Buckets } = await s3.send(new ListBucketsCommand({}));
    assert.deepEqual(
      Buckets?.map(({ Name }) => Name),
      ["box", "second"],
    );
    assert.ok(Math.abs((Buckets?.[0]?.CreationDate?.getTime() ?? 0) - Date.now()) < 60_000);
    await s3.send(new HeadBucketCommand({ Bucket: "second" }));
    assert.equal((await s3.send(new GetBucketLocationCommand({ Bucket: "second" }))).LocationConstraint, "auto");
    assert.equal((await s3.send(new GetBucketVersioningCommand({ Bucket: "second" }))).Status, undefined);
    const versioning = { Bucket: "second", VersioningConfiguration: { Status: "Enabled" as const } };
    assert.equal(await refused(s3.send(new PutBucketVersioningCommand(versioning))), "501 NotImplemented");
    assert.equal(await refused(s3.send(new DeleteBucketWebsiteCommand({ Bucket: "second" }))), "501 NotImplemented");
    await s3.send(new DeleteBucketCommand({ Bucket: "second" }));
    assert.equal(await refused(s3.send(new HeadBucketCommand({ Bucket: "second" }))), "404 NotFound");
    assert.equal(await refused(s3.send(new GetObjectCommand({ Bucket: "second", Key: "k" }))), "404 NoSuchBucket");
    assert.equal(await refused(s3.send(new CreateBucketCommand({ Bucket: "box" }))), "409 BucketAlreadyOwnedByYou");
    await put("full");
    assert.equal(await refused(s3.send(new DeleteBucketCommand({ Bucket: "box" }))), "409 BucketNotEmpty");
  });

  test("objects, with what is said about them, under any name, in both styles of addresses", async () => {
    const facts = {
      ContentType: "text/x",
      CacheControl: "no-store",
      ContentDisposition: "inline",
      ContentEncoding: "br",
      ContentLanguage: "de",
      Expires: new Date("2031-01-01T00:00:00Z"),
      Metadata: { by: "s3", other: "x" },
      StorageClass: "STANDARD_IA" as const,
    };
    for (const Key of ["a/b c+ü&<>'\"!*().~.txt", " spaced ", "ctrl\u0001\r\n", "%41//..//x", "😀"]) {
      const { ETag } = await put(Key, "value", facts);
      assert.equal(ETag, `"${createHash("md5").update("value").digest("hex")}"`);
      const got = await read(Key);
      assert.deepEqual([got.text, got.ETag, got.ContentLength], ["value", ETag, 5]);
      for (const [name, value] of Object.entries(facts)) {
        if (name !== "Expires") assert.deepEqual(got[name as keyof typeof got], value, name);
      }
      assert.equal(got.ExpiresString, "Wed, 01 Jan 2031 00:00:00 GMT");
      const head = await s3.send(new HeadObjectCommand({ Bucket: "box", Key }));
      assert.deepEqual([head.ContentLength, head.ETag, head.Metadata], [5, ETag, facts.Metadata]);
      const listed = await s3.send(new ListObjectsV2Command({ Bucket: "box", Prefix: Key }));
      assert.deepEqual(
        listed.Contents?.map((each) => each.Key),
        [Key],
      );
      await s3.send(new DeleteObjectsCommand({ Bucket: "box", Delete: { Objects: [{ Key }, { Key: "never there" }] } }));
      assert.equal(await refused(read(Key)), "404 NoSuchKey");
    }
    await put("meta", "x", { Metadata: { other: "grüße" } });
    const stored = await server.under.storage.get("box", "meta");
    stored?.body.destroy();
    assert.deepEqual(stored?.object.customFields, { other: "grüße" });
    const virtual = client({ forcePathStyle: false });
    await virtual.send(new PutObjectCommand({ Bucket: "box", Key: "v/k", Body: "virtual" }));
    assert.equal((await read("v/k")).text, "virtual");
    assert.deepEqual((await virtual.send(new ListObjectsV2Command({ Bucket: "box", Prefix: "v/" }))).KeyCount, 1);
    await s3.send(new DeleteObjectCommand({ Bucket: "box", Key: "v/k" }));
    assert.equal(await refused(s3.send(new HeadObjectCommand({ Bucket: "box", Key: "v/k" }))), "404 NotFound");
    assert.equal(await refused(s3.send(new GetObjectTaggingCommand({ Bucket: "box", Key: "full" }))), "501 NotImplemented");
  });

  test("bodies of every kind, with every checksum", async () => {
    const bytes = randomBytes(300_000);
    await put("empty", "");
    assert.equal((await read("empty")).text, "");
    await put("stream", Readable.from([bytes.subarray(0, 7), bytes.subarray(7)]), { ContentLength: bytes.length });
    assert.equal((await read("stream")).ETag, `"${createHash("md5").update(bytes).digest("hex")}"`);
    for (const algorithm of [
      ChecksumAlgorithm.CRC32,
      ChecksumAlgorithm.CRC32C,
      ChecksumAlgorithm.CRC64NVME,
      ChecksumAlgorithm.SHA1,
      ChecksumAlgorithm.SHA256,
    ]) {
      await put(algorithm, bytes, { ChecksumAlgorithm: algorithm });
      await put(`${algorithm} stream`, Readable.from([bytes]), { ContentLength: bytes.length, ChecksumAlgorithm: algorithm });
      assert.equal(await refused(put(algorithm, bytes, { [`Checksum${algorithm}`]: "AAAAAA==" })), "400 BadDigest", algorithm);
    }
    assert.equal(await refused(put("md5", "x", { ContentMD5: createHash("md5").update("y").digest("base64") })), "400 BadDigest");
    assert.equal(await refused(read("md5")), "404 NoSuchKey");
  });

  test("ranges and conditions", async () => {
    const { ETag } = await put("k", "0123456789");
    const range = async (Range: string) => {
      const got = await read("k", { Range });
      return [got.text, got.ContentRange];
    };
    assert.deepEqual(await range("bytes=2-4"), ["234", "bytes 2-4/10"]);
    assert.deepEqual(await range("bytes=7-"), ["789", "bytes 7-9/10"]);
    assert.deepEqual(await range("bytes=-2"), ["89", "bytes 8-9/10"]);
    assert.equal(await refused(read("k", { Range: "bytes=10-" })), "416 InvalidRange");
    const later = new Date(Date.now() + 60_000);
    const earlier = new Date(Date.now() - 60_000);
    assert.equal((await read("k", { IfMatch: ETag, IfUnmodifiedSince: earlier })).text, "0123456789");
    assert.equal((await read("k", { IfModifiedSince: earlier })).text, "0123456789");
    assert.match(await refused(read("k", { IfNoneMatch: ETag })), /^304/);
    assert.match(await refused(read("k", { IfModifiedSince: later })), /^304/);
    assert.equal(await refused(read("k", { IfMatch: '"x"' })), "412 PreconditionFailed");
    assert.equal(await refused(read("k", { IfUnmodifiedSince: earlier })), "412 PreconditionFailed");
    assert.equal(await refused(put("k", "new", { IfNoneMatch: "*" })), "412 PreconditionFailed");
    assert.equal(await refused(put("k", "new", { IfMatch: '"x"' })), "412 PreconditionFailed");
    await put("k", "new", { IfMatch: ETag });
    assert.equal((await read("k", { ResponseContentType: "text/other" })).ContentType, "text/other");
  });

  test("a large body that is not wanted holds nobody up", { timeout: 120_000 }, async () => {
    const bytes = randomBytes(20_000_000);
    const body = () => Readable.from([bytes.subarray(0, 9_000_000), bytes.subarray(9_000_000)]);
    const more = { ContentLength: bytes.length, IfMatch: '"x"' };
    await put("unread", "kept");
    assert.equal(await refused(put("unread", bytes, { IfMatch: '"x"' })), "412 PreconditionFailed");
    assert.equal(await refused(put("unread", body(), more)), "412 PreconditionFailed");
    assert.equal(await refused(put("unread", body(), { ...more, IfMatch: undefined, ContentMD5: "AAAA" })), "400 BadDigest");
    assert.equal(await refused(put("x".repeat(2000), body(), { ContentLength: bytes.length })), "400 InvalidObjectName");
    assert.equal((await read("unread")).text, "kept");
  });

  test("lists of both versions", async () => {
    for (let n = 0; n < 12; n++) await put(`list/${n % 3}/${n}`, "x");
    const all: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await s3.send(new ListObjectsV2Command({ Bucket: "box", Prefix: "list/", MaxKeys: 5, ContinuationToken }));
      all.push(...(page.Contents?.map(({ Key }) => Key ?? "") ?? []));
      assert.equal(page.IsTruncated, page.NextContinuationToken !== undefined);
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    assert.deepEqual([all.length, all], [12, [...all].sort()]);
    const folders = await s3.send(new ListObjectsV2Command({ Bucket: "box", Prefix: "list/", Delimiter: "/" }));
    assert.deepEqual(
      folders.CommonPrefixes?.map(({ Prefix }) => Prefix),
      ["list/0/", "list/1/", "list/2/"],
    );
    assert.deepEqual([folders.Contents, folders.KeyCount], [undefined, 3]);
    const behind = await s3.send(new ListObjectsV2Command({ Bucket: "box", Prefix: "list/", StartAfter: "list/2/2", EncodingType: "url" }));
    assert.deepEqual(
      behind.Contents?.map(({ Key }) => Key),
      ["list/2/5", "list/2/8"],
    );
    const first = await s3.send(new ListObjectsCommand({ Bucket: "box", Prefix: "list/", Delimiter: "/", MaxKeys: 1 }));
    assert.deepEqual([first.NextMarker, first.IsTruncated], ["list/0/", true]);
    const next = await s3.send(new ListObjectsCommand({ Bucket: "box", Prefix: "list/", Delimiter: "/", Marker: first.NextMarker }));
    assert.deepEqual(
      next.CommonPrefixes?.map(({ Prefix }) => Prefix),
      ["list/1/", "list/2/"],
    );
    assert.equal((await s3.send(new ListObjectsV2Command({ Bucket: "box", MaxKeys: 0 }))).KeyCount, 0);
  });

  test("copies, of the object itself too, and of parts", async () => {
    await put("source", "value", { ContentType: "a/b", Metadata: { one: "1" } });
    const copy = (Key: string, more: object = {}) =>
      s3.send(new CopyObjectCommand({ Bucket: "box", Key, CopySource: "/box/source", ...more }));
    assert.equal((await copy("dir/copy ü")).CopyObjectResult?.ETag, (await read("source")).ETag);
    const copied = await read("dir/copy ü");
    assert.deepEqual([copied.text, copied.ContentType, copied.Metadata], ["value", "a/b", { one: "1" }]);
    await copy("source", { MetadataDirective: "REPLACE", Metadata: { two: "2" }, ContentType: "c/d" });
    const changed = await read("source");
    assert.deepEqual([changed.text, changed.ContentType, changed.Metadata], ["value", "c/d", { two: "2" }]);
    assert.equal(await refused(copy("x", { CopySource: "box/none" })), "404 NoSuchKey");
    assert.equal(await refused(copy("x", { CopySourceIfMatch: '"x"' })), "412 PreconditionFailed");
  });

  test("uploads in parts", async () => {
    const bytes = randomBytes(PART);
    const upload = { Bucket: "box", Key: "multi ü" };
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...upload, ContentType: "m/p", Metadata: { by: "parts" } }));
    const part = (PartNumber: number, Body: Uint8Array | Readable) =>
      s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber, Body, ContentLength: PART }));
    const one = await part(1, bytes);
    const two = await part(2, Readable.from([bytes]));
    await put("tail", "0123456789");
    const three = await s3.send(
      new UploadPartCopyCommand({ ...upload, UploadId, PartNumber: 3, CopySource: "box/tail", CopySourceRange: "bytes=2-4" }),
    );
    const { Parts } = await s3.send(new ListPartsCommand({ ...upload, UploadId }));
    assert.deepEqual(
      Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [
        [1, PART],
        [2, PART],
        [3, 3],
      ],
    );
    const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket: "box", Prefix: "multi" }));
    assert.deepEqual(
      Uploads?.map(({ Key, UploadId: id }) => [Key, id]),
      [["multi ü", UploadId]],
    );
    const named = [one.ETag, two.ETag, three.CopyPartResult?.ETag].map((ETag, at) => ({ PartNumber: at + 1, ETag }));
    const complete = (list: typeof named, more: object = {}) =>
      s3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload: { Parts: list }, ...more }));
    assert.equal(await refused(complete([{ PartNumber: 1, ETag: '"x"' }])), "400 InvalidPart");
    assert.equal(await refused(complete([...named].reverse())), "400 InvalidPartOrder");
    const { ETag } = await complete(named, { IfNoneMatch: "*" });
    assert.match(ETag ?? "", /^"[0-9a-f]{32}-3"$/);
    const { Body, ContentType, ContentLength } = await s3.send(new GetObjectCommand(upload));
    assert.deepEqual([ContentType, ContentLength], ["m/p", 2 * PART + 3]);
    assert.ok(Buffer.from((await Body?.transformToByteArray()) ?? []).equals(Buffer.concat([bytes, bytes, Buffer.from("234")])));
    assert.equal(await refused(complete(named)), "404 NoSuchUpload");
    const other = await s3.send(new CreateMultipartUploadCommand(upload));
    await s3.send(new AbortMultipartUploadCommand({ ...upload, UploadId: other.UploadId }));
    assert.equal(await refused(s3.send(new ListPartsCommand({ ...upload, UploadId: other.UploadId }))), "404 NoSuchUpload");
  });

  test("signed URLs, for as long as they are good", async () => {
    const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket: "box", Key: "signed ü" }), { expiresIn: 60 });
    const local = (from: string) => from.replace("s3.localhost", "127.0.0.1");
    const ask = (from: string, init: RequestInit = {}) => fetch(local(from), init);
    // fetch sets the host header itself, so the signature is for the address that it is sent to.
    const direct = client({ endpoint: `http://127.0.0.1:${server.port}` });
    const signedPut = await getSignedUrl(direct, new PutObjectCommand({ Bucket: "box", Key: "signed ü" }), { expiresIn: 60 });
    assert.equal((await ask(signedPut, { method: "PUT", body: "by URL" })).status, 200);
    const signedGet = await getSignedUrl(direct, new GetObjectCommand({ Bucket: "box", Key: "signed ü" }), { expiresIn: 60 });
    assert.equal(await (await ask(signedGet)).text(), "by URL");
    assert.equal((await ask(url, { method: "PUT", body: "other host" })).status, 403);
    assert.equal((await ask(signedGet.replace("signed", "sighed"))).status, 403);
    assert.equal((await ask(signedGet, { method: "DELETE" })).status, 403);
    const copying = await ask(signedPut, { method: "PUT", headers: { "x-amz-copy-source": "/box/full" } });
    assert.match(await copying.text(), /<Code>AccessDenied<\/Code><Message>.* not signed: x-amz-copy-source</);
    assert.equal(await (await ask(signedGet)).text(), "by URL");
    server.ahead = 61_000;
    assert.match(await (await ask(signedGet)).text(), /<Code>AccessDenied<\/Code><Message>Request has expired/);
    server.ahead = 0;
  });

  test("who may not gets no further", async () => {
    const head = (config: S3ClientConfig) => client(config).send(new GetObjectCommand({ Bucket: "box", Key: "full" }));
    const write = (config: S3ClientConfig) => client(config).send(new PutObjectCommand({ Bucket: "box", Key: "full", Body: "changed" }));
    assert.equal(await refused(head({ credentials: { ...KEYS.owner, accessKeyId: "nobody" } })), "403 InvalidAccessKeyId");
    assert.equal(await refused(head({ credentials: { ...KEYS.owner, secretAccessKey: "wrong" } })), "403 SignatureDoesNotMatch");
    assert.equal(await refused(write({ credentials: KEYS.reader })), "403 AccessDenied");
    assert.equal(await refused(head({ credentials: KEYS.writer })), "403 AccessDenied");
    await head({ credentials: KEYS.reader });
    server.ahead = 20 * 60_000;
    assert.equal(await refused(head({ systemClockOffset: 0 })), "403 RequestTimeTooSkewed");
    server.ahead = 0;
    const unsigned = await fetch(`http://127.0.0.1:${server.port}/box/full`);
    assert.deepEqual([unsigned.status, unsigned.headers.get("content-type")], [403, "application/xml"]);
    assert.match(await unsigned.text(), /<Code>AccessDenied<\/Code><Message>The request is not signed/);
    assert.equal((await read("full")).text, "full");
    assert.deepEqual(server.under.errors, []);
  });
});
