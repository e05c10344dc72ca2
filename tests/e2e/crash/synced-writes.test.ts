import assert from "node:assert/strict";
import { test } from "node:test";
import { SyncedWrites } from "./synced.js";

const lasts = (path: string) => path.startsWith("/d/objects/");

function after(...lines: string[]): string[] {
  const writes = new SyncedWrites(["/d/objects"], lasts);
  for (const line of lines) writes.line(line);
  return writes.unsynced;
}

test("what a power cut could take is named: contents and names that were not synced, also by another thread", () => {
  const written = '7 write(5</d/temporary/1>, "x", 1) = 1';
  const renamed = '7 rename("/d/temporary/1", "/d/objects/a") = 0';
  assert.deepEqual(after(written), [], "what is temporary may go");
  assert.deepEqual(after(written, renamed), ["content of /d/objects/a", "names in /d/objects"]);
  assert.deepEqual(after(written, "8 fsync(5</d/temporary/1>) = 0", renamed), ["names in /d/objects"]);
  assert.deepEqual(after(written, "8 fdatasync(5</d/temporary/1>) = 0", renamed, "9 fsync(6</d/objects>) = 0"), []);
  assert.deepEqual(after("8 fsync(6</d/objects>) = 0", '7 mkdir("/d/objects/new", 0700) = 0'), ["names in /d/objects"]);
  assert.deepEqual(after('7 mkdir("/d/objects/new", 0700) = -1 EEXIST (File exists)'), []);
});

test("a sync counts when it has ended, a write when it has begun", () => {
  const database = "4</d/objects/a.sqlite-wal>";
  const begun = `7 fdatasync(${database} <unfinished ...>`;
  const write = `7 pwrite64(${database}, "x", 1, 0) = 1`;
  assert.deepEqual(after(write, begun), ["content of /d/objects/a.sqlite-wal"]);
  assert.deepEqual(after(write, begun, '8 write(1<pipe:[1]>, "", 0) = 0', "7 <... fdatasync resumed>) = 0"), []);
  assert.deepEqual(after(`7 pwrite64(${database}, "x", 1, 0 <unfinished ...>`), ["content of /d/objects/a.sqlite-wal"]);
  const checkpoint = '7 pwrite64(4</d/objects/a.sqlite>, "x", 1, 4096) = 1';
  const anew = `7 pwrite64(${database}, "x", 1, 0) = 1`;
  const synced = `7 fdatasync(${database}) = 0`;
  assert.deepEqual(after(checkpoint), [], "the log has it");
  assert.deepEqual(after(checkpoint, "7 fdatasync(4</d/objects/a.sqlite>) = 0", anew, synced), []);
  assert.deepEqual(after(checkpoint, anew, synced), ["what /d/objects/a.sqlite had in its log"]);
  const created = `7 openat(3</d/objects>, "b.sqlite", O_RDWR|O_CREAT, 0644) = 4</d/objects/b.sqlite>`;
  assert.deepEqual(after(created), ["names in /d/objects"]);
});
