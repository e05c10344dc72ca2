import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { bucketConformance } from "./conformance.js";
import { DirectoryBucket } from "./directory-bucket.js";

bucketConformance("DirectoryBucket", async () => {
  const root = await temporaryDirectory();
  return { bucket: await DirectoryBucket.open(root.path), [Symbol.asyncDispose]: root[Symbol.asyncDispose] };
});

test("what is in the bucket is there when it is opened again", async () => {
  await using root = await temporaryDirectory();
  const written = await (await DirectoryBucket.open(root.path)).put("a/b", "text");
  assert.deepEqual(await (await DirectoryBucket.open(root.path)).head("a/b"), written);
});

test("what is no file of the bucket's own is never read: its reader may be root, and its writer not", { timeout: 20_000 }, async () => {
  await using root = await temporaryDirectory();
  const bucket = await DirectoryBucket.open(root.path);
  const objects = join(root.path, "objects");
  await writeFile(join(root.path, "secret"), "secret");
  await symlink(join(root.path, "secret"), join(objects, "link,"));
  await mkdir(join(objects, "directory,"));
  execFileSync("mkfifo", [join(objects, "pipe,")]);
  for (const key of ["link", "directory", "pipe"]) await assert.rejects(bucket.get(key), LongshoreError, key);
  assert.notEqual((await bucket.head("link"))?.size, 6);
});

test("opening sweeps what a dead process was writing and spares a living one's", async () => {
  await using root = await temporaryDirectory();
  const bucket = await DirectoryBucket.open(root.path);
  const temporary = join(root.path, "temporary");
  // The process id is ours, the start time is not: the id was given out again after a crash.
  for (const name of [`${process.pid}-1-1-1`, "999999999-5-1-1", "notes"]) await writeFile(join(temporary, name), "half");
  const slow = new Readable({ read: () => undefined });
  slow.push("first ");
  const writing = bucket.put("slow", slow);
  while ((await readdir(temporary)).length < 4) await new Promise(setImmediate);

  const again = await DirectoryBucket.open(root.path);
  assert.equal((await readdir(temporary)).length, 1);
  slow.push("second");
  slow.push(null);
  await writing;
  const read = await again.get("slow");
  assert.equal(read && (await buffer(read.body)).toString(), "first second");
  assert.deepEqual(await readdir(temporary), []);
});

test("deleting the last object of a directory removes the directory", async () => {
  await using root = await temporaryDirectory();
  const bucket = await DirectoryBucket.open(root.path);
  await bucket.put("a/b/c/d", "x");
  await bucket.put("a/e", "x");
  await bucket.delete("a/b/c/d");
  assert.deepEqual(await readdir(join(root.path, "objects", "a")), ["e,"]);
});

test("a full disk is NO_SPACE and leaves the old object and nothing else", async () => {
  await using disk = await smallDisk("1m");
  const bucket = await DirectoryBucket.open(disk.path);
  await bucket.put("k", "old");
  const tooMuch = (): Readable => Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(65_536, 1)));
  for (const body of [tooMuch(), Buffer.alloc(3_000_000)]) {
    await assert.rejects(bucket.put("k", body), (error) => error instanceof LongshoreError && error.code === "NO_SPACE");
  }
  assert.deepEqual(await readdir(join(disk.path, "temporary")), []);
  const read = await bucket.get("k");
  assert.equal(read && (await buffer(read.body)).toString(), "old");
  await bucket.put("other", Buffer.alloc(500_000));
});

test("a file from another file system is copied in", async () => {
  await using root = await temporaryDirectory();
  await using disk = await smallDisk("4m");
  const bucket = await DirectoryBucket.open(root.path);
  const path = join(disk.path, "layer");
  await writeFile(path, Buffer.alloc(2_000_000, 7));
  await bucket.putFile("layer", path);
  const read = await bucket.get("layer");
  assert.ok(read !== undefined && (await buffer(read.body)).equals(Buffer.alloc(2_000_000, 7)));
  assert.deepEqual(await readdir(disk.path), []);
});

test("a file from the same file system is moved, not copied", async () => {
  await using root = await temporaryDirectory();
  const bucket = await DirectoryBucket.open(join(root.path, "bucket"));
  const path = join(root.path, "layer");
  await writeFile(path, "layer");
  const { ino } = await stat(path);
  await bucket.putFile("x/layer", path);
  assert.equal((await stat(join(root.path, "bucket", "objects", "x", "layer,"))).ino, ino);
});

test("a directory that cannot be opened is named in the error", async () => {
  await using root = await temporaryDirectory();
  await writeFile(join(root.path, "file"), "");
  await assert.rejects(DirectoryBucket.open(join(root.path, "file")), /Opening the bucket in .*\/file failed/);
});

interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}

async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), "longshore-bucket-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function smallDisk(size: string): Promise<TemporaryDirectory> {
  const root = await temporaryDirectory();
  const path = join(root.path, "disk");
  await mkdir(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "longshore-test", path]);
  return {
    path,
    async [Symbol.asyncDispose]() {
      execFileSync("umount", [path]);
      await root[Symbol.asyncDispose]();
    },
  };
}
