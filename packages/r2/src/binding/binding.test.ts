import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { TestWorker } from "../testing/worker.js";

/** Each case is a function of the Worker; the tests look at what it answers. */
const code = `
const show = (object) => object && {
  key: object.key, size: object.size, etag: object.etag, httpEtag: object.httpEtag, version: object.version, range: object.range,
  http: object.httpMetadata, custom: object.customMetadata, checksums: object.checksums.toJSON(), storageClass: object.storageClass,
  uploaded: object.uploaded.getTime(), hasBody: "body" in object && object.body !== undefined,
};
const message = (promise) => promise.then(() => "no error", (error) => error.message);
const cases = {
  async facts({ BOX }) {
    const cacheExpiry = new Date("2030-01-01T00:00:00Z");
    const httpMetadata = { contentType: "text/ü", contentLanguage: "de", contentDisposition: "inline", contentEncoding: "br", cacheControl: "no-store", cacheExpiry };
    const customMetadata = { "ü key": "wörth", empty: "" };
    const put = await BOX.put("a/b ü?#%.txt", "grüße", { httpMetadata, customMetadata, storageClass: "InfrequentAccess" });
    const get = await BOX.get("a/b ü?#%.txt");
    const headers = new Headers();
    get.writeHttpMetadata(headers);
    return { put: show(put), head: show(await BOX.head("a/b ü?#%.txt")), get: show(get), text: await get.text(), headers: [...headers], none: [await BOX.head("none"), await BOX.get("none")] };
  },
  async kinds({ BOX }) {
    const values = { string: "x", buffer: new Uint8Array([1, 2, 3]).buffer, view: new Uint8Array([1, 2, 3]).subarray(1), blob: new Blob(["blob"]), nothing: null, stream: new Response("stream").body };
    const found = {};
    for (const [key, value] of Object.entries(values)) {
      await BOX.put(key, value);
      found[key] = [...new Uint8Array(await (await BOX.get(key)).arrayBuffer())];
    }
    return found;
  },
  async checksums({ BOX }) {
    const right = {}, wrong = {};
    for (const [name, algorithm] of [["md5", "MD5"], ["sha1", "SHA-1"], ["sha256", "SHA-256"], ["sha384", "SHA-384"], ["sha512", "SHA-512"]]) {
      const digest = await crypto.subtle.digest(algorithm, new TextEncoder().encode("value"));
      right[name] = show(await BOX.put("sum", "value", { [name]: digest })).checksums;
      wrong[name] = await message(BOX.put("sum", "other", { [name]: digest }));
    }
    return { right, wrong, still: await (await BOX.get("sum")).text() };
  },
  async conditions({ BOX }) {
    const { etag, uploaded } = await BOX.put("cond", "one");
    const before = new Date(uploaded.getTime() - 5000), after = new Date(uploaded.getTime() + 5000);
    const get = async (onlyIf) => show(await BOX.get("cond", { onlyIf })).hasBody;
    const put = async (onlyIf, key = "cond") => (await BOX.put(key, "two", { onlyIf })) !== null;
    return [
      await get({ etagMatches: etag }), await get({ etagMatches: "x" }), await get({ etagDoesNotMatch: etag }), await get({ uploadedAfter: before }),
      await get({ uploadedBefore: before }), await get({ uploadedBefore: after }), await get(new Headers({ "if-none-match": '"' + etag + '"' })),
      await put({ etagMatches: "x" }), await put({ etagDoesNotMatch: "*" }), await put({ etagDoesNotMatch: "*" }, "cond-new"), await put(new Headers({ "if-match": "*" }), "cond-none"),
      await put({ etagMatches: etag }), await (await BOX.get("cond")).text(),
    ];
  },
  async ranges({ BOX }) {
    await BOX.put("range", "0123456789");
    const get = async (range) => { const object = await BOX.get("range", { range }); return [await object.text(), object.range]; };
    return [
      await get({ offset: 3 }), await get({ length: 4 }), await get({ offset: 2, length: 3 }), await get({ suffix: 2 }), await get({ offset: 8, length: 50 }),
      await get(new Headers({ range: "bytes=1-2" })), await get(new Headers({ range: "bytes=-3" })), await message(BOX.get("range", { range: { offset: 20 } })),
    ];
  },
  async lists({ BOX }) {
    for (let i = 0; i < 25; i++) await BOX.put("list/" + i % 5 + "/" + i, "x", { customMetadata: { i: String(i) }, httpMetadata: { contentType: "x/y" } });
    const plain = await BOX.list({ prefix: "list/0/" });
    const included = await BOX.list({ prefix: "list/0/", limit: 1, include: ["customMetadata", "httpMetadata"] });
    const delimited = await BOX.list({ prefix: "list/", delimiter: "/" });
    const after = await BOX.list({ prefix: "list/0/", startAfter: "list/0/15" });
    const keys = [];
    let cursor, pages = 0;
    do {
      const page = await BOX.list({ prefix: "list/", limit: 7, cursor });
      keys.push(...page.objects.map((object) => object.key));
      cursor = page.truncated ? page.cursor : undefined;
      pages++;
    } while (cursor);
    return { plain: plain.objects.map(show), included: included.objects.map(show), truncated: [plain.truncated, included.truncated], delimited: delimited.delimitedPrefixes, after: after.objects.map(({ key }) => key), keys, pages };
  },
  async deletes({ BOX }) {
    const keys = Array.from({ length: 40 }, (_, i) => "del/" + i);
    await Promise.all(keys.map((key) => BOX.put(key, "x")));
    await BOX.delete("del/0");
    await BOX.delete("never there");
    await BOX.delete(keys.slice(1));
    return [(await BOX.list({ prefix: "del/" })).objects.length, await message(BOX.delete(Array.from({ length: 1001 }, (_, i) => "k" + i)))];
  },
  async multipart({ BOX }) {
    const part = new Uint8Array(5 * 1024 * 1024).fill(7);
    const upload = await BOX.createMultipartUpload("multi", { customMetadata: { by: "parts" }, httpMetadata: { contentType: "a/b" } });
    const one = await upload.uploadPart(1, part);
    const resumed = BOX.resumeMultipartUpload("multi", upload.uploadId);
    const two = await resumed.uploadPart(2, "end");
    const early = await BOX.head("multi");
    const object = show(await resumed.complete([one, two]));
    const read = await BOX.get("multi", { range: { suffix: 4 } });
    const aborted = await BOX.createMultipartUpload("aborted");
    await aborted.uploadPart(1, "x");
    await aborted.abort();
    return { early, object, end: [...new Uint8Array(await read.arrayBuffer())], read: show(read), again: await message(resumed.complete([one, two])), aborted: await message(aborted.uploadPart(2, "x")), none: await BOX.head("aborted") };
  },
  async unread({ BOX, OTHER }) {
    const large = new Uint8Array(20_000_000);
    await BOX.put("unread", "kept");
    const results = [await BOX.put("unread", large, { onlyIf: { etagMatches: "x" } }), await message(OTHER.put("k", large)), await message(BOX.put("x".repeat(2000), large))];
    return [...results, await (await BOX.get("unread")).text()];
  },
  async refusals({ BOX, OTHER }) {
    return [
      await message(BOX.put("x".repeat(1025), "x")), await message(BOX.put("k", "x", { customMetadata: { a: "x".repeat(9000) } })), await message(OTHER.get("k")),
      await message(OTHER.put("k", "x".repeat(100_000))), await message(BOX.list({ limit: 5000 })), await message(BOX.put("k", "x", { ssecKey: "0".repeat(64) })),
      await message(BOX.put("k", "x", { storageClass: "Ünknown" })),
    ];
  },
};
export default { async fetch(request, { BOX, OTHER }) {
  const url = new URL(request.url);
  const name = url.pathname.slice(1);
  if (name in cases) return Response.json(await cases[name]({ BOX, OTHER }));
  const key = name.slice("stream/".length);
  if (request.method === "PUT") return Response.json({ etag: (await BOX.put(key, request.body)).etag });
  const object = await BOX.get(key);
  return new Response(object.body, { headers: { etag: object.httpEtag } });
} };`;

describe("an R2 binding in workerd", () => {
  let worker: TestWorker;
  before(async () => {
    worker = await TestWorker.start(code);
  });
  after(() => worker[Symbol.asyncDispose]());

  test("what is said about an object comes back: metadata, headers, checksums, class", async () => {
    const { put, head, get, text, headers, none } = await worker.run("facts");
    const md5 = createHash("md5").update("grüße").digest("hex");
    assert.deepEqual([put.key, put.size, put.etag, put.httpEtag, put.checksums], ["a/b ü?#%.txt", 7, md5, `"${md5}"`, { md5 }]);
    assert.deepEqual(put.custom, { "ü key": "wörth", empty: "" });
    assert.deepEqual({ ...get, hasBody: false }, { ...put, hasBody: false });
    assert.deepEqual(head, { ...put, hasBody: false });
    assert.equal(get.http.cacheExpiry, "2030-01-01T00:00:00.000Z");
    assert.deepEqual([put.storageClass, text, none], ["InfrequentAccess", "grüße", [null, null]]);
    assert.ok(Math.abs(put.uploaded - Date.now()) < 60_000);
    assert.deepEqual(Object.fromEntries(headers)["cache-control"], "no-store");
  });

  test("every kind of value", async () => {
    const bytes = (value: string) => [...Buffer.from(value)];
    const expected = { string: bytes("x"), buffer: [1, 2, 3], view: [2, 3], blob: bytes("blob"), nothing: [], stream: bytes("stream") };
    assert.deepEqual(await worker.run("kinds"), expected);
  });

  test("checksums are kept when they are right, and refuse the body when they are not", async () => {
    const { right, wrong, still } = await worker.run("checksums");
    for (const name of ["md5", "sha1", "sha256", "sha384", "sha512"]) {
      assert.equal(right[name][name], createHash(name).update("value").digest("hex"));
      assert.match(wrong[name], /put: The .* checksum you specified did not match what we received[\s\S]*\(10037\)/);
    }
    assert.equal(still, "value");
  });

  test("onlyIf, by ETags, dates and headers", async () => {
    const expected = [true, false, false, true, false, true, false, false, false, true, false, true, "two"];
    assert.deepEqual(await worker.run("conditions"), expected);
  });

  test("ranges", async () => {
    assert.deepEqual(await worker.run("ranges"), [
      ["3456789", { offset: 3, length: 7 }],
      ["0123", { offset: 0, length: 4 }],
      ["234", { offset: 2, length: 3 }],
      ["89", { offset: 8, length: 2 }],
      ["89", { offset: 8, length: 2 }],
      ["12", { offset: 1, length: 2 }],
      ["789", { offset: 7, length: 3 }],
      "get: The requested range is not satisfiable (10039)",
    ]);
  });

  test("lists", async () => {
    const { plain, included, truncated, delimited, after: later, keys, pages } = await worker.run("lists");
    assert.deepEqual(
      plain.map(({ key }: { key: string }) => key),
      ["list/0/0", "list/0/10", "list/0/15", "list/0/20", "list/0/5"],
    );
    assert.deepEqual([plain[0].custom, included[0].custom, included[0].http], [undefined, { i: "0" }, { contentType: "x/y" }]);
    assert.deepEqual(truncated, [false, true]);
    assert.deepEqual(delimited, ["list/0/", "list/1/", "list/2/", "list/3/", "list/4/"]);
    assert.deepEqual(later, ["list/0/20", "list/0/5"]);
    assert.deepEqual([keys.length, new Set(keys).size, pages, keys], [25, 25, 4, [...keys].sort()]);
  });

  test("deletes, of many at once", async () => {
    const [left, error] = await worker.run("deletes");
    assert.equal(left, 0);
    assert.match(error, /at most 1000 keys/);
  });

  test("uploads in parts", async () => {
    const { early, object, end, read, again, aborted, none } = await worker.run("multipart");
    assert.equal(early, null);
    assert.match(object.etag, /^[0-9a-f]{32}-2$/);
    assert.deepEqual(
      [object.size, object.custom, object.http, object.checksums],
      [5 * 1024 * 1024 + 3, { by: "parts" }, { contentType: "a/b" }, {}],
    );
    assert.deepEqual([end, read.range], [[7, ...Buffer.from("end")], { offset: 5 * 1024 * 1024 - 1, length: 4 }]);
    assert.equal(again, "completeMultipartUpload: The specified multipart upload does not exist. (10024)");
    assert.match(aborted, /10024/);
    assert.equal(none, null);
  });

  test("a large body that is not wanted holds nobody up", { timeout: 120_000 }, async () => {
    const [put, bucket, key, kept] = await worker.run("unread");
    assert.deepEqual([put, kept], [null, "kept"]);
    assert.match(bucket, /10006/);
    assert.match(key, /10020/);
  });

  test("what is refused is named", async () => {
    const messages: string[] = await worker.run("refusals");
    const numbers = messages.map((each) => /\((\d+)\)$/.exec(each)?.[1]);
    assert.deepEqual(numbers, ["10020", "10012", "10006", "10006", "10022", "10044", "10029"]);
  });

  test("large bodies stream through, and memory does not grow with them", async () => {
    const chunk = randomBytes(1024 * 1024);
    const chunks = 200;
    const hash = createHash("md5");
    async function* body() {
      for (let i = 0; i < chunks; i++) {
        hash.update(chunk);
        yield chunk;
      }
    }
    const before = process.memoryUsage().rss;
    const headers = { "content-length": String(chunk.length * chunks) };
    const { etag } = (await (await worker.fetch("/stream/large", { method: "PUT", body: body(), duplex: "half", headers })).json()) as {
      etag: string;
    };
    assert.equal(etag, hash.digest("hex"));
    const read = createHash("md5");
    for await (const piece of (await worker.fetch("/stream/large")).body ?? []) read.update(piece as Uint8Array);
    assert.equal(read.digest("hex"), etag);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 150 * 1024 * 1024, `${grown} bytes more`);
  });
});
