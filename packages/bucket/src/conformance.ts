import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { type Bucket, type ByteRange, type ErrorCode, LongshoreError } from "@longshore/contract";

/** An empty bucket, and how to get rid of it. */
export interface BucketUnderTest extends AsyncDisposable {
  readonly bucket: Bucket;
}

/** What every {@link Bucket} must do, whatever it keeps the objects in. `create` is called once per test. */
export function bucketConformance(name: string, create: () => Promise<BucketUnderTest>): void {
  describe(`${name} is a bucket`, () => {
    objects(create);
    ranges(create);
    conditions(create);
    failures(create);
    lists(create);
    keys(create);
    files(create);
  });
}

type Create = () => Promise<BucketUnderTest>;

function objects(create: Create): void {
  it("gives back what was put: text, bytes, streams, nothing at all", async () => {
    await using under = await create();
    const { bucket } = under;
    const bytes = randomBytes(3_000_000);
    const bodies: [string | Uint8Array | Readable, Buffer][] = [
      ["grüße", Buffer.from("grüße")],
      [bytes, bytes],
      [Readable.from([bytes.subarray(0, 1_000_001), bytes.subarray(1_000_001)]), bytes],
      ["", Buffer.alloc(0)],
      [Readable.from([]), Buffer.alloc(0)],
    ];
    for (const [body, expected] of bodies) {
      const written = await bucket.put("some/key", body);
      assert.equal(written.size, expected.length);
      assert.deepEqual(await bucket.head("some/key"), written);
      const read = await bucket.get("some/key");
      assert.ok(read !== undefined);
      assert.ok((await buffer(read.body)).equals(expected));
      assert.deepEqual({ key: read.key, size: read.size, etag: read.etag }, written);
    }
  });

  it("knows nothing of an object that is not there, or not any more", async () => {
    await using under = await create();
    const { bucket } = under;
    await bucket.delete("a/b");
    await bucket.put("a/b", "x");
    await bucket.delete("a/b");
    await bucket.delete("a/b");
    for (const key of ["a", "a/b", "a/b/c"]) {
      assert.equal(await bucket.head(key), undefined);
      assert.equal(await bucket.get(key), undefined);
    }
  });

  it("gives each write an etag of its own, also when the bytes are the same", async () => {
    await using under = await create();
    const { bucket } = under;
    const etags = new Set<string>();
    for (let i = 0; i < 200; i++) etags.add((await bucket.put("head", "same")).etag);
    assert.equal(etags.size, 200);
  });

  it("reads one version of an object, even when it is replaced and deleted meanwhile", async () => {
    await using under = await create();
    const { bucket } = under;
    const old = randomBytes(4_000_000);
    await bucket.put("k", old);
    const read = await bucket.get("k");
    assert.ok(read !== undefined);
    await bucket.put("k", "new");
    await bucket.delete("k");
    assert.ok((await buffer(read.body)).equals(old));
  });
}

function ranges(create: Create): void {
  it("reads ranges, with an inclusive end that may lie behind the last byte", async () => {
    await using under = await create();
    const { bucket } = under;
    const { etag } = await bucket.put("k", "0123456789");
    const cases: [ByteRange, string][] = [
      [{ suffix: 3 }, "789"],
      [{ suffix: 500 }, "0123456789"],
      [{ start: 0 }, "0123456789"],
      [{ start: 3, end: 5 }, "345"],
      [{ start: 9, end: 9 }, "9"],
      [{ start: 8, end: 500 }, "89"],
    ];
    for (const [range, expected] of cases) {
      const read = await bucket.get("k", range);
      assert.ok(read !== undefined);
      assert.deepEqual([await text(read.body), read.size, read.etag], [expected, 10, etag]);
    }
    await rejects("INVALID_INPUT", bucket.get("k", { start: 10 }));
    await rejects("INVALID_INPUT", bucket.get("k", { start: 5, end: 4 }));
    assert.equal(await bucket.get("missing", { start: 10 }), undefined);
  });
}

function conditions(create: Create): void {
  it("creates an object once, however many try", async () => {
    await using under = await create();
    const { bucket } = under;
    const tries = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => bucket.put("a/once", `${i}`, { ifNoneMatch: "*" })));
    const winners = tries.flatMap((result, i) => (result.status === "fulfilled" ? [`${i}`] : []));
    assert.equal(winners.length, 1);
    for (const result of tries) if (result.status === "rejected") assert.equal(codeOf(result.reason), "CONFLICT");
    assert.equal(await read(bucket, "a/once"), winners[0]);
  });

  it("replaces only the version that was meant", async () => {
    await using under = await create();
    const { bucket } = under;
    await rejects("CONFLICT", bucket.put("head", "1", { ifMatch: "nothing" }));
    const first = await bucket.put("head", "1");
    const second = await bucket.put("head", "2", { ifMatch: first.etag });
    await rejects("CONFLICT", bucket.put("head", "3", { ifMatch: first.etag }));
    assert.equal(await read(bucket, "head"), "2");
    await bucket.delete("head");
    await rejects("CONFLICT", bucket.put("head", "3", { ifMatch: second.etag }));
    assert.equal(await bucket.head("head"), undefined);
  });

  it("deletes only the version that was meant", async () => {
    await using under = await create();
    const { bucket } = under;
    const first = await bucket.put("deleted/one", "first");
    const second = await bucket.put("deleted/one", "second");
    await rejects("CONFLICT", bucket.delete("deleted/one", { ifMatch: first.etag }));
    assert.equal((await bucket.head("deleted/one"))?.etag, second.etag);
    await bucket.delete("deleted/one", { ifMatch: second.etag });
    assert.equal(await bucket.head("deleted/one"), undefined);
    await bucket.delete("deleted/one", { ifMatch: second.etag });
  });

  it("loses no update when many compare and swap", async () => {
    await using under = await create();
    const { bucket } = under;
    await bucket.put("counter", "0");
    const increment = async (): Promise<void> => {
      for (;;) {
        const now = await bucket.get("counter");
        assert.ok(now !== undefined);
        const next = `${Number(await text(now.body)) + 1}`;
        try {
          await bucket.put("counter", next, { ifMatch: now.etag });
          return;
        } catch (error) {
          assert.equal(codeOf(error), "CONFLICT");
        }
      }
    };
    const worker = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) await increment();
    };
    await Promise.all(Array.from({ length: 6 }, worker));
    assert.equal(await read(bucket, "counter"), "60");
  });
}

function failures(create: Create): void {
  it("keeps the old object when the stream for the new one breaks", async () => {
    await using under = await create();
    const { bucket } = under;
    await bucket.put("k", "old");
    for (const options of [{}, { ifNoneMatch: "*" as const }]) {
      const broken = Readable.from(brokenChunks());
      await assert.rejects(bucket.put("k", broken, options), /the sender went away/);
    }
    assert.equal(await read(bucket, "k"), "old");
    assert.deepEqual(await allKeys(bucket, ""), ["k"]);
  });
}

async function* brokenChunks(): AsyncGenerator<Buffer> {
  yield randomBytes(100_000);
  throw new Error("the sender went away");
}

function lists(create: Create): void {
  it("lists what begins with a prefix, in key order", async () => {
    await using under = await create();
    const { bucket } = under;
    const all = ["a", "a+b", "a-b/c", "a.b", "a/b", "a/b/c", "a/bc", "a0", "b/x/y/z", "c"];
    for (const key of [...all].reverse()) await bucket.put(key, key);
    for (const prefix of ["", "a", "a/", "a/b", "a-", "b/x/", "b/x/y/z", "zz", "c/", "a/b/c/"]) {
      assert.deepEqual(
        await allKeys(bucket, prefix),
        all.filter((key) => key.startsWith(prefix)),
        `prefix ${prefix}`,
      );
    }
    for await (const info of bucket.list("a")) assert.deepEqual(info, await bucket.head(info.key));
  });

  it("keeps neighbours apart when objects come and go in one place", async () => {
    await using under = await create();
    const { bucket } = under;
    const comeAndGo = async (name: string): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        await bucket.put(`p/q/${name}`, name);
        assert.equal(await read(bucket, `p/q/${name}`), name);
        await bucket.delete(`p/q/${name}`);
      }
      await bucket.put(`p/q/${name}`, name);
    };
    await Promise.all(["1", "2", "3", "4"].map(comeAndGo));
    assert.deepEqual(await allKeys(bucket, "p/"), ["p/q/1", "p/q/2", "p/q/3", "p/q/4"]);
  });

  it("lists many objects beside one another by pages, and sees at once what comes and goes", async () => {
    await using under = await create();
    const { bucket } = under;
    const name = (n: number) => `many/${String(n).padStart(4, "0")}`;
    for (let from = 0; from < 1200; from += 50) await Promise.all(Array.from({ length: 50 }, (_, n) => bucket.put(name(from + n), "x")));
    const page = async (after: string) => {
      const found: string[] = [];
      for await (const { key } of bucket.list("many/", { after })) if (found.push(key) === 100) break;
      return found;
    };
    for (let round = 0; round < 3; round++) {
      // Long enough for whoever remembers to trust what it remembers.
      await new Promise((resolve) => setTimeout(resolve, 150));
      const keys: string[] = [];
      for (let found = await page(""); found.length > 0; found = await page(keys.at(-1) ?? "")) keys.push(...found);
      assert.deepEqual(keys, [...keys].sort());
      assert.equal(keys.length, 1200);
      await bucket.put("many/0000-new", "x");
      assert.equal((await page(name(0)))[0], "many/0000-new");
      await bucket.delete("many/0000-new");
      assert.equal((await page(name(0)))[0], name(1));
      await bucket.put("many/0000/below", "x");
      assert.equal((await page(name(0)))[0], "many/0000/below");
      await bucket.delete("many/0000/below");
      assert.deepEqual(
        await allKeys(bucket, "many/11"),
        Array.from({ length: 100 }, (_, n) => name(1100 + n)),
      );
    }
  });

  it("lists what lies behind a position, which may be moved on meanwhile", async () => {
    await using under = await create();
    const { bucket } = under;
    const all = ["a", "a-b", "a/b", "a/b/c", "a/c", "a0", "b/1", "b/2", "c"];
    for (const key of all) await bucket.put(key, key);
    for (const after of ["", "a", "a/", "a/b", "a/b/~", "a/~", "b", "b/1", "zzz"]) {
      const found: string[] = [];
      for await (const { key } of bucket.list("", { after })) found.push(key);
      assert.deepEqual(
        found,
        all.filter((key) => key > after),
        after,
      );
    }
    const position = { after: "" };
    const tops: string[] = [];
    for await (const { key } of bucket.list("", position)) {
      const top = /^[^/]*\/?/.exec(key)?.[0] ?? "";
      tops.push(top);
      if (top.endsWith("/")) position.after = `${top}~`;
    }
    assert.deepEqual(tops, ["a", "a-b", "a/", "a0", "b/", "c"]);
  });
}

function keys(create: Create): void {
  it("holds an object and others below its name", async () => {
    await using under = await create();
    const { bucket } = under;
    await bucket.put("a/b", "outer");
    await bucket.put("a/b/c", "inner");
    await bucket.delete("a/b");
    assert.equal(await read(bucket, "a/b/c"), "inner");
    assert.equal(await bucket.head("a/b"), undefined);
  });

  it("refuses keys outside the alphabet, and ways out of the bucket", async () => {
    await using under = await create();
    const { bucket } = under;
    const bad = [
      "",
      "/",
      "a/",
      "/a",
      "a//b",
      "..",
      "../a",
      "a/../b",
      "a/./b",
      "a b",
      "a\0b",
      "a\\b",
      "ä",
      "a,",
      "%2e%2e",
      "x".repeat(2000),
    ];
    for (const key of bad) {
      await rejects("INVALID_INPUT", bucket.put(key, "x"));
      await rejects("INVALID_INPUT", bucket.get(key));
      await rejects("INVALID_INPUT", bucket.head(key));
      await rejects("INVALID_INPUT", bucket.delete(key));
    }
    for (const prefix of ["../", "a/../", "/", "a//", "a b"]) await rejects("INVALID_INPUT", allKeys(bucket, prefix));
    await bucket.put("A-Z/.hidden/_x/sha256:0=@+", "fine");
  });
}

function files(create: Create): void {
  it("takes over a finished file, where it offers to", async (test) => {
    await using under = await create();
    const { bucket } = under;
    if (bucket.putFile === undefined) return test.skip("this bucket has no putFile");
    const directory = await mkdtemp(join(tmpdir(), "longshore-conformance-"));
    try {
      const path = join(directory, "file");
      await writeFile(path, "one");
      const first = await bucket.putFile("f", path);
      assert.deepEqual(await bucket.head("f"), first);
      assert.equal(await read(bucket, "f"), "one");
      await assert.rejects(access(path));

      await writeFile(path, "two");
      await rejects("CONFLICT", bucket.putFile("f", path, { ifNoneMatch: "*" }));
      await rejects("CONFLICT", bucket.putFile("f", path, { ifMatch: "other" }));
      assert.equal(await readFile(path, "utf8"), "two");
      assert.equal(await read(bucket, "f"), "one");
      await bucket.putFile("f", path, { ifMatch: first.etag });
      assert.equal(await read(bucket, "f"), "two");
    } finally {
      await rm(directory, { recursive: true });
    }
  });
}

async function read(bucket: Bucket, key: string): Promise<string | undefined> {
  const object = await bucket.get(key);
  return object === undefined ? undefined : text(object.body);
}

async function allKeys(bucket: Bucket, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of bucket.list(prefix)) found.push(key);
  return found;
}

async function rejects(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.equal(codeOf(error), code);
    return true;
  });
}

function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof LongshoreError ? error.code : undefined;
}
