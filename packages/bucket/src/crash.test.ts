import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { DirectoryBucket } from "./directory-bucket.js";

const WRITER = fileURLToPath(new URL("crash-writer.js", import.meta.url));

/** Kills a process that writes; the page cache survives that, so this proves the order of steps, not that the disk was told. */
test("a writer killed at any moment leaves everything it acknowledged, and nothing half", async () => {
  const directory = await mkdtemp(join(tmpdir(), "longshore-crash-"));
  try {
    const acknowledged = new Set<string>();
    let counter = 0;
    for (let run = 0; run < 6; run++) {
      for (const fact of await writeUntilKilled(directory, run, 20 + run * 23)) {
        if (fact.key !== undefined) acknowledged.add(fact.key);
        if (fact.counter !== undefined) counter = Math.max(counter, fact.counter);
      }
      const bucket = await DirectoryBucket.open(directory);
      assert.deepEqual(await readdir(join(directory, "temporary")), [], "leftovers are swept");
      counter = await checkCounter(bucket, counter);
      await checkObjects(bucket, acknowledged);
    }
    assert.ok(acknowledged.size > 50 && counter > 20, `enough was written to mean something: ${acknowledged.size}, ${counter}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

/** Lets a child write until it has acknowledged `lines` facts, then kills it; all facts it got out. */
async function writeUntilKilled(directory: string, run: number, lines: number): Promise<{ key?: string; counter?: number }[]> {
  const child = spawn(process.execPath, [WRITER, directory, String(run)], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const facts: { key?: string; counter?: number }[] = [];
  for await (const line of createInterface(child.stdout)) {
    facts.push(JSON.parse(line));
    if (facts.length === lines) child.kill("SIGKILL");
  }
  assert.deepEqual(await exited, [null, "SIGKILL"]);
  return facts;
}

async function checkCounter(bucket: DirectoryBucket, acknowledged: number): Promise<number> {
  const object = await bucket.get("counter");
  assert.ok(object !== undefined);
  const content = await text(object.body);
  const value = Number(content.split(" ", 1)[0]);
  assert.ok(value === acknowledged || value === acknowledged + 1, `the counter is ${value}, acknowledged was ${acknowledged}`);
  assert.equal(content, `${value} ${"x".repeat(10_000)} end`);
  return value;
}

async function checkObjects(bucket: DirectoryBucket, acknowledged: ReadonlySet<string>): Promise<void> {
  const missing = new Set(acknowledged);
  for await (const { key } of bucket.list("objects/")) {
    const object = await bucket.get(key);
    assert.ok(object !== undefined);
    const digest = createHash("sha256")
      .update(await buffer(object.body))
      .digest("hex");
    assert.ok(key.endsWith(digest), `${key} has other bytes`);
    missing.delete(key);
  }
  assert.deepEqual([...missing], [], "every acknowledged object is there");
}
