import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { SnapshotStore } from "./store.js";

const DAY = 24 * 60 * 60_000;

async function store(t: TestContext): Promise<{ directory: string; store: SnapshotStore }> {
  const directory = mkdtempSync(join(tmpdir(), "longshore-store-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return { directory, store: await SnapshotStore.open(directory) };
}

const container = (name: string, below: string[] = []) => ({
  name,
  kind: "container" as const,
  labels: {},
  imageDigest: "sha256:1",
  below,
});

async function fill(directory: string): Promise<number> {
  writeFileSync(join(directory, "file"), "content");
  return 7;
}

test("what is there when the store opens is whole; what a killed engine left half made is gone", async (t) => {
  const { directory, store: first } = await store(t);
  await first.create("web", container("whole"), fill);
  mkdirSync(join(directory, "web/.partial-half/content"), { recursive: true });
  const second = await SnapshotStore.open(directory);
  assert.deepEqual(
    second.list("web").map(({ name, sizeBytes }) => [name, sizeBytes]),
    [["whole", 7]],
  );
  assert.deepEqual(readdirSync(join(directory, "web")), ["whole"]);
  assert.ok(existsSync(join(second.content("web", "whole"), "file")));
  assert.deepEqual(second.list("other"), []);
});

test("a snapshot that fails leaves nothing; names are single path segments and used once", async (t) => {
  const { directory, store: snapshots } = await store(t);
  const failing = async () => {
    throw new Error("no");
  };
  await assert.rejects(snapshots.create("web", container("fails"), failing), /no/);
  assert.deepEqual(readdirSync(join(directory, "web")), []);
  const code = (wanted: string) => (error: unknown) => error instanceof LongshoreError && error.code === wanted;
  for (const name of ["../escape", "a/b", "", ".hidden", "x".repeat(200)]) {
    await assert.rejects(snapshots.create("web", container(name), fill), code("INVALID_INPUT"));
  }
  await snapshots.create("web", container("once"), fill);
  await assert.rejects(snapshots.create("web", container("once"), fill), code("CONFLICT"));
});

test("old snapshots expire, except those in use and those that a younger one continues", async (t) => {
  const { directory, store: snapshots } = await store(t);
  for (const name of ["base", "used", "old"]) await snapshots.create("web", container(name), fill);
  const before = Date.now();
  while (Date.now() === before) await new Promise((resolve) => setImmediate(resolve));
  const young = await snapshots.create("web", container("young", ["base"]), fill);
  // One millisecond before the youngest is past its time, the others are.
  const end = Date.parse(young.createdAt) + DAY;
  assert.deepEqual(await snapshots.expire(DAY, new Set(["web/used"]), end - 1), ["web/old"]);
  assert.deepEqual(readdirSync(join(directory, "web")).sort(), ["base", "used", "young"]);
  assert.deepEqual((await snapshots.expire(DAY, new Set(), end)).sort(), ["web/base", "web/used", "web/young"]);
});
