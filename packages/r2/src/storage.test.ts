import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { type ErrorCode, LongshoreError } from "@longshore/contract";
import { judge } from "./conditions.js";
import type { R2ErrorName } from "./errors.js";
import { R2Error } from "./errors.js";
import { parseRangeHeader, resolveRange } from "./ranges.js";
import { TestStorage } from "./testing/storage.js";

const NO_FACTS = { httpFields: {}, customFields: {} };
const fails = (kind: R2ErrorName) => (error: unknown) => {
  assert.ok(error instanceof R2Error, String(error));
  assert.equal(error.kind, kind);
  return true;
};
async function* bytes(...chunks: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

/** Storage with a bucket, and short words for what the tests do. */
async function setUp() {
  const under = await TestStorage.open();
  await under.storage.createBucket("box");
  const record = () => under.storage.records.get("box");
  return {
    under,
    put: async (key: string, value = key) => await under.storage.put("box", key, bytes(value), NO_FACTS),
    read: async (key: string) => {
      const found = await under.storage.get("box", key);
      return found === undefined ? undefined : await text(found.body);
    },
    record,
    [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
  };
}

test("buckets: made once, changed, listed, deleted when empty; they and their objects outlive the process", async () => {
  await using t = await setUp();
  const { storage } = t.under;
  await assert.rejects(storage.createBucket("box"), fails("BucketAlreadyOwnedByYou"));
  for (const name of ["", "ab", "-ab", "A-b", "a.b", "../x", "x".repeat(64)]) {
    await assert.rejects(storage.createBucket(name), fails("InvalidBucketName"));
    await assert.rejects(storage.bucket(name), fails("NoSuchBucket"));
  }
  await assert.rejects(storage.createBucket("cold", { storageClass: "Glacier" }), fails("InvalidArgument"));
  await storage.createBucket("cold", { storageClass: "InfrequentAccess", location: "weur" });
  await storage.changeBucket("box", { storageClass: "InfrequentAccess" });
  assert.equal((await t.put("k")).storageClass, "InfrequentAccess");
  await t.under.reopen();
  assert.deepEqual(
    (await t.under.storage.buckets()).map(({ name }) => name),
    ["box", "cold"],
  );
  assert.equal(await t.read("k"), "k");
  await assert.rejects(t.under.storage.deleteBucket("box"), fails("BucketNotEmpty"));
  await t.under.storage.delete("box", ["k", "never there"]);
  await t.under.storage.deleteBucket("box");
  await assert.rejects(t.under.storage.get("box", "k"), fails("NoSuchBucket"));
  await t.under.storage.createBucket("box");
  assert.equal(await t.under.storage.get("box", "k").catch(() => "failed"), undefined);
});

test("a bucket that is deleted while it is written to: what was acknowledged is there, and the bucket with it", async () => {
  await using t = await setUp();
  for (let round = 0; round < 30; round++) {
    const name = `race-${round}`;
    await t.under.storage.createBucket(name);
    const put = (n: number) => t.under.storage.put(name, `k${n}`, bytes("x"), NO_FACTS);
    const outcomes = await Promise.allSettled([t.under.storage.deleteBucket(name), ...[1, 2, 3].map(put)]);
    const [deleted, ...puts] = outcomes;
    const kept = puts.filter(({ status }) => status === "fulfilled").length;
    if (deleted?.status === "fulfilled") assert.equal(kept, 0, `round ${round}`);
    else assert.equal((await t.under.storage.usage(name)).objects, kept, `round ${round}`);
  }
});

test("objects: small, large, empty; ranges; what a reader began with it gets", async () => {
  await using t = await setUp();
  const large = randomBytes(3_000_000);
  for (const value of [Buffer.from(""), Buffer.from("x"), randomBytes(40_000), large]) {
    const written = await t.under.storage.put("box", "k/ü", bytes(value.subarray(0, 10), value.subarray(10)), NO_FACTS);
    assert.equal(written.etag, createHash("md5").update(value).digest("hex"));
    assert.deepEqual(await t.under.storage.objects.head(await t.record(), "k/ü"), written);
    for (const range of [{}, { offset: 1, length: 5 }, { suffix: 3 }, { offset: value.length - 1 }, { offset: 1, length: 1e12 }]) {
      const get = t.under.storage.objects.get(await t.record(), "k/ü", { range });
      if (value.length === 0 && "suffix" in range) await assert.rejects(get, fails("InvalidRange"));
      else if (value.length <= 1 && range.offset === 1) await assert.rejects(get, fails("InvalidRange"));
      else if (value.length === 0 && range.offset !== undefined)
        await get.then(
          (read) => read?.body?.destroy(),
          () => undefined,
        );
      else {
        const read = await get;
        const { offset, length } = read?.range ?? { offset: 0, length: 0 };
        assert.ok(Buffer.concat(await (read?.body?.toArray() ?? [])).equals(value.subarray(offset, offset + length)));
      }
    }
  }
  const reading = await t.under.storage.get("box", "k/ü");
  await t.put("k/ü", "new");
  assert.ok(Buffer.concat(await (reading?.body.toArray() ?? [])).equals(large));
});

test("a body that is not what it should be changes nothing", async () => {
  await using t = await setUp();
  await t.put("k", "old");
  const attempt = async (value: string, request: object) =>
    t.under.storage.objects.put(await t.record(), "k", bytes(value), { ...NO_FACTS, ...request });
  const sha256 = createHash("sha256").update("new").digest("hex");
  await assert.rejects(attempt("new", { size: 4 }), fails("IncompleteBody"));
  await assert.rejects(attempt("new", { size: 6e12 }), fails("EntityTooLarge"));
  await assert.rejects(attempt("else", { checksums: { sha256 } }), fails("BadDigest"));
  await assert.rejects(attempt("new", { customFields: { a: "x".repeat(9000) } }), fails("MetadataTooLarge"));
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from("ne");
    throw new LongshoreError("UNAVAILABLE", "gone");
  }
  const code = (error: unknown): ErrorCode | undefined => (error instanceof LongshoreError ? error.code : undefined);
  await assert.rejects(t.under.storage.put("box", "k", broken(), NO_FACTS), (error) => code(error) === "UNAVAILABLE");
  assert.equal(await t.read("k"), "old");
  assert.equal((await attempt("new", { size: 3, checksums: { sha256 } }))?.checksums.sha256, sha256);
});

test("conditions are judged when the bytes are there, too", async () => {
  await using t = await setUp();
  const create = async (value: string) =>
    t.under.storage.objects.put(await t.record(), "k", bytes(value), { ...NO_FACTS, onlyIf: { etagDoesNotMatch: [{ type: "wildcard" }] } });
  const results = await Promise.all(Array.from({ length: 8 }, (_, n) => create(`${n}`)));
  assert.equal(results.filter((each) => each !== undefined).length, 1);
  const etag = "e";
  const object = { etag, uploaded: 10_500 };
  const strong = [{ type: "strong", value: etag } as const];
  assert.equal(judge({ etagMatches: strong }, object), "holds");
  assert.equal(judge({ etagMatches: [{ type: "weak", value: etag }] }, object), "changed");
  assert.equal(judge({ etagMatches: strong }, undefined), "changed");
  assert.equal(judge({ etagDoesNotMatch: [{ type: "weak", value: etag }] }, object), "same");
  assert.equal(judge({ uploadedBefore: 10_500 }, object), "changed");
  assert.equal(judge({ uploadedBefore: 10_500, etagMatches: strong }, object), "holds");
  assert.equal(judge({ uploadedAfter: 10_400 }, object), "holds");
  assert.equal(judge({ uploadedAfter: 10_400, secondsGranularity: true }, object), "same");
  assert.equal(judge({ uploadedAfter: 20_000, etagDoesNotMatch: [{ type: "strong", value: "x" }] }, object), "holds");
});

test("range headers", () => {
  assert.deepEqual(parseRangeHeader("bytes=0-9"), { offset: 0, length: 10 });
  assert.deepEqual(parseRangeHeader("bytes=5-"), { offset: 5 });
  assert.deepEqual(parseRangeHeader("bytes=-5"), { suffix: 5 });
  for (const ignored of ["bytes=", "bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes=9-1", "bytes=a-b"])
    assert.equal(parseRangeHeader(ignored), undefined);
  assert.deepEqual(resolveRange({ suffix: 50 }, 10), { offset: 0, length: 10 });
  assert.throws(() => resolveRange({ offset: 10 }, 10), fails("InvalidRange"));
});

test("lists: in the order of bytes, by pages of any size, with prefixes, delimiters and places to start", async () => {
  await using t = await setUp();
  const keys = ["a", "a/", "a//b", "a/b", "a/b/c", "a/c", "a0", "a!", "b/1", "b/2", "c", "zeta", "{", "é", "日本", "😀"];
  for (const key of [...keys].reverse()) await t.put(key);
  const sorted = [...keys].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  const all = async (query: object, limit: number) => {
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await t.under.storage.list("box", { ...query, limit, ...(cursor === undefined ? {} : { cursor }) });
      assert.ok(page.objects.length + page.prefixes.length <= limit);
      names.push(...page.objects.map(({ key }) => key), ...page.prefixes.map((prefix) => `${prefix}*`));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return names;
  };
  const expected = ({ prefix = "", delimiter = "", startAfter = "" }) => {
    const found = new Set<string>();
    for (const key of sorted) {
      if (!key.startsWith(prefix) || Buffer.compare(Buffer.from(key), Buffer.from(startAfter)) <= 0) continue;
      const at = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      found.add(at < 0 ? key : `${key.slice(0, at + delimiter.length)}*`);
    }
    return [...found].sort();
  };
  for (const query of [
    {},
    { prefix: "a" },
    { prefix: "a/" },
    { prefix: "b/1" },
    { prefix: "nothing" },
    { prefix: "x".repeat(5000) },
    { delimiter: "/" },
    { prefix: "a/", delimiter: "/" },
    { delimiter: "b" },
    { startAfter: "a/b" },
    { startAfter: "a/", delimiter: "/" },
    { prefix: "é" },
  ]) {
    for (const limit of [1, 2, 3, 1000])
      assert.deepEqual((await all(query, limit)).sort(), expected(query), JSON.stringify({ query, limit }));
  }
  assert.deepEqual(await all({}, 1000), sorted);
  const small = await t.under.storage.list("box", { maxBytes: 1 });
  assert.equal(small.objects.length, 1);
  for (const limit of [0, 1001, 1.5]) await assert.rejects(t.under.storage.list("box", { limit }), fails("InvalidMaxKeys"));
  await assert.rejects(t.under.storage.list("box", { cursor: "!!" }), fails("InvalidArgument"));
  assert.deepEqual((await t.under.storage.usage("box")).objects, keys.length);
});

test("uploads in parts: whole at the end, refused where a part is wrong, dropped when aborted or old", async () => {
  await using t = await setUp();
  let { uploads } = t.under.storage;
  const record = await t.record();
  const part = randomBytes(5 * 1024 * 1024);
  const facts = { httpFields: { contentType: "x/y" }, customFields: { by: "parts" } };
  const { uploadId } = await uploads.create(record, "big", facts);
  const putPart = (number: number, value: Buffer) => uploads.putPart(record, "big", uploadId, number, bytes(value), { size: value.length });
  const one = await putPart(1, Buffer.from("replaced"));
  const first = await putPart(1, part);
  const last = await putPart(3, Buffer.from("end"));
  await assert.rejects(uploads.complete(record, "big", uploadId, [one, last]), fails("InvalidPart"));
  await assert.rejects(uploads.complete(record, "big", uploadId, [last, first]), fails("InvalidPartOrder"));
  await assert.rejects(uploads.complete(record, "other", uploadId, [first]), fails("NoSuchUpload"));
  await assert.rejects(uploads.complete(record, "big", "../../x", [first]), fails("NoSuchUpload"));
  const small = await putPart(2, Buffer.from("too small"));
  await assert.rejects(uploads.complete(record, "big", uploadId, [first, small, last]), fails("UnequalParts"));
  await assert.rejects(uploads.complete(record, "big", uploadId, [small, last]), fails("EntityTooSmall"));
  await assert.rejects(putPart(0, part), fails("InvalidArgument"));
  assert.equal(await t.read("big"), undefined);
  await t.under.reopen();
  uploads = t.under.storage.uploads;
  assert.deepEqual(
    (await uploads.parts(record, uploadId)).map(({ partNumber }) => partNumber),
    [1, 2, 3],
  );
  const object = await uploads.complete(record, "big", uploadId, [first, last]);
  const md5 = (value: Buffer) => createHash("md5").update(value).digest();
  assert.equal(object.etag, `${md5(Buffer.concat([md5(part), md5(Buffer.from("end"))])).toString("hex")}-2`);
  const read = await t.under.storage.get("box", "big");
  assert.deepEqual(read?.object, object);
  assert.ok(Buffer.concat(await (read?.body.toArray() ?? [])).equals(Buffer.concat([part, Buffer.from("end")])));
  assert.deepEqual([object.httpFields, object.customFields], [facts.httpFields, facts.customFields]);
  await assert.rejects(uploads.complete(record, "big", uploadId, [first, last]), fails("NoSuchUpload"));

  const aborted = await uploads.create(record, "big", facts);
  await uploads.putPart(record, "big", aborted.uploadId, 1, bytes("x"), {});
  await uploads.abort(record, "big", aborted.uploadId);
  await assert.rejects(uploads.putPart(record, "big", aborted.uploadId, 1, bytes("x"), {}), fails("NoSuchUpload"));
  const old = await uploads.create(record, "old", facts);
  assert.deepEqual(
    (await uploads.all(record)).map(({ uploadId: id }) => id),
    [old.uploadId],
  );
  await t.under.storage.sweep();
  assert.equal((await uploads.all(record)).length, 1);
  t.under.now = Date.now() + 8 * 24 * 3600_000;
  await t.under.storage.sweep();
  assert.deepEqual(await uploads.all(record), []);
});
