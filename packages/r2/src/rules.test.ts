import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { LifecycleRule, LockRule } from "@longshore/contract";
import { R2Error } from "./errors.js";
import { TestStorage } from "./testing/storage.js";

const NO_FACTS = { httpFields: {}, customFields: {} };
const DAY_S = 24 * 3600;
const locked = (error: unknown) => error instanceof R2Error && error.kind === "ObjectLockedByBucketPolicy" && error.v4 === 10_069;

async function* bytes(value: string): AsyncGenerator<Buffer> {
  yield Buffer.from(value);
}

async function setUp() {
  const under = await TestStorage.open();
  under.now = Date.parse("2026-11-01T00:00:00Z");
  await under.storage.createBucket("box");
  return {
    under,
    put: async (key: string, value = key) => await under.storage.put("box", key, bytes(value), NO_FACTS),
    delete: (...keys: string[]) => under.storage.delete("box", keys),
    keys: async () => (await under.storage.list("box", {})).objects.map(({ key }) => key),
    pass(seconds: number) {
      under.now = (under.now ?? 0) + seconds * 1000;
    },
    [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
  };
}

const lock = (condition: LockRule["condition"], prefix?: string): LockRule => ({
  id: `lock ${prefix}`,
  enabled: true,
  condition,
  ...(prefix === undefined ? {} : { prefix }),
});

test("a locked object is neither deleted nor replaced, whoever asks, until its time is over; others are free", async () => {
  await using t = await setUp();
  await t.put("old/1", "before the rule");
  const locks = [
    lock({ type: "Age", maxAgeSeconds: 100 }, "old/"),
    lock({ type: "Date", date: "2026-11-02T00:00:00Z" }, "dated/"),
    lock({ type: "Indefinite" }, "kept/"),
    { ...lock({ type: "Indefinite" }, ""), enabled: false },
  ];
  await t.under.storage.changeBucket("box", { locks });
  await t.under.reopen();
  const record = await t.under.storage.records.get("box");
  for (const key of ["old/1", "dated/1", "kept/1", "free"]) if (key !== "old/1") await t.put(key);
  await t.put("free", "again");
  await t.delete("free");
  const { objects, uploads } = t.under.storage;
  for (const key of ["old/1", "dated/1", "kept/1"]) {
    await assert.rejects(t.put(key, "other"), locked, key);
    await assert.rejects(t.delete("free", key), locked, key);
    const { uploadId } = await uploads.create(record, key, NO_FACTS);
    const part = await uploads.putPart(record, key, uploadId, 1, bytes("part"), {});
    await assert.rejects(uploads.complete(record, key, uploadId, [part]), locked);
    await assert.rejects(objects.put(record, key, bytes("x"), { ...NO_FACTS, onlyIf: { uploadedBefore: 8e15 } }), locked);
  }
  const read = await t.under.storage.get("box", "old/1");
  assert.equal(read && (await text(read.body)), "before the rule");
  await assert.rejects(t.under.storage.deleteBucket("box"));

  t.pass(101);
  await t.put("old/1", "anew");
  await assert.rejects(t.delete("old/1"), locked, "an object that was written anew is new");
  await assert.rejects(t.delete("dated/1"), locked);
  t.pass(DAY_S);
  await t.delete("old/1", "dated/1");
  await assert.rejects(t.delete("kept/1"), locked);
  await t.under.storage.changeBucket("box", { locks: [] });
  await t.delete("kept/1");
  assert.deepEqual(await t.keys(), []);
});

test("of many who write a locked key at once, one does", async () => {
  await using t = await setUp();
  await t.under.storage.changeBucket("box", { locks: [lock({ type: "Age", maxAgeSeconds: 10 })] });
  const tries = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => t.put("one", `${n}`)));
  const winners = tries.flatMap(({ status }, n) => (status === "fulfilled" ? [`${n}`] : []));
  assert.equal(winners.length, 1);
  const read = await t.under.storage.get("box", "one");
  assert.equal(read && (await text(read.body)), winners[0]);
  for (const each of tries) if (each.status === "rejected") assert.ok(locked(each.reason), String(each.reason));
});

const rule = (id: string, prefix: string, what: Partial<LifecycleRule>): LifecycleRule => ({
  id,
  enabled: true,
  conditions: { prefix },
  ...what,
});

test("the sweep does what lifecycle rules say: at an age in seconds, at a date, by prefix, but not to what is locked", async () => {
  await using t = await setUp();
  const { storage } = t.under;
  const lifecycle = [
    rule("a", "tmp/", { deleteObjectsTransition: { condition: { type: "Age", maxAge: 60 } } }),
    rule("b", "dated/", { deleteObjectsTransition: { condition: { type: "Date", date: "2026-11-03" } } }),
    rule("c", "cold/", { storageClassTransitions: [{ condition: { type: "Age", maxAge: 30 }, storageClass: "InfrequentAccess" }] }),
    rule("d", "parts/", { abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: 10 } } }),
    { ...rule("e", "", { deleteObjectsTransition: { condition: { type: "Age", maxAge: 0 } } }), enabled: false },
  ];
  await storage.changeBucket("box", { lifecycle, locks: [lock({ type: "Indefinite" }, "tmp/locked")] });
  const record = await storage.records.get("box");
  const early = await storage.uploads.create(record, "parts/a", NO_FACTS);
  const other = await storage.uploads.create(record, "other", NO_FACTS);
  for (const key of ["tmp/1", "tmp/locked", "dated/1", "cold/1", "kept"]) await t.put(key);
  const cold = await storage.objects.head(record, "cold/1");
  await storage.sweep();
  assert.equal((await t.keys()).length, 5);

  t.pass(59);
  await t.put("tmp/2");
  await storage.sweep();
  assert.deepEqual(await t.keys(), ["cold/1", "dated/1", "kept", "tmp/1", "tmp/2", "tmp/locked"]);
  const moved = await storage.objects.head(record, "cold/1");
  assert.deepEqual(moved, { ...cold, storageClass: "InfrequentAccess" });
  const body = await storage.get("box", "cold/1");
  assert.equal(body && (await text(body.body)), "cold/1");
  assert.deepEqual(
    (await storage.uploads.all(record)).map(({ uploadId }) => uploadId),
    [other.uploadId],
  );
  await assert.rejects(storage.uploads.putPart(record, "parts/a", early.uploadId, 1, bytes("x"), {}));

  t.pass(1);
  await storage.sweep();
  assert.deepEqual(await t.keys(), ["cold/1", "dated/1", "kept", "tmp/2", "tmp/locked"]);
  t.pass(3 * DAY_S);
  await t.under.reopen();
  await t.under.storage.sweep();
  assert.deepEqual(await t.keys(), ["cold/1", "kept", "tmp/locked"]);
  assert.deepEqual(t.under.errors, []);
});

test("the sweep reaches every object of a large bucket, and those that are written meanwhile live", async () => {
  await using t = await setUp();
  const many = Array.from({ length: 1_200 }, (_, n) => `tmp/${String(n).padStart(4, "0")}`);
  for (let n = 0; n < many.length; n += 100) await Promise.all(many.slice(n, n + 100).map((key) => t.put(key)));
  t.pass(61);
  const lifecycle = [rule("a", "tmp/", { deleteObjectsTransition: { condition: { type: "Age", maxAge: 60 } } })];
  // Setting them begins a sweep of its own.
  await t.under.storage.changeBucket("box", { lifecycle });
  await Promise.all([t.under.storage.sweep(), ...many.slice(0, 50).map((key) => t.put(key, "anew"))]);
  await t.under.storage.sweep();
  assert.deepEqual(await t.keys(), many.slice(0, 50));
});
