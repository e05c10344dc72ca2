import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Journal } from "./journal.js";

test("a journal is what was changed, also after it was cut off anywhere", (context) => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-journal-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "map");
  {
    using journal = new Journal<number>(file);
    journal.set("a", 1);
    journal.set("b\n", 2);
    journal.set("a", 3);
    assert.ok(journal.delete("b\n"));
    assert.ok(!journal.delete("b\n"));
  }
  assert.deepEqual([...new Journal<number>(file).entries], [["a", 3]]);
  assert.equal(statSync(file).mode & 0o777, 0o600);

  // Killed while it wrote: the last change is not there, and the next one is whole.
  const whole = readFileSync(file, "utf8");
  for (let cut = 1; cut < 8; cut++) {
    truncateSync(file, Buffer.byteLength(whole) - cut);
    using journal = new Journal<number>(file);
    assert.equal(journal.entries.get("a"), 3);
    journal.set("c", cut);
    assert.equal(new Journal<number>(file).entries.get("c"), cut);
    rmSync(file);
    appendFileSync(file, whole);
  }
});

test("a journal does not grow with its changes", (context) => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-journal-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "map");
  using journal = new Journal<number>(file);
  for (let round = 0; round < 5_000; round++) {
    journal.set(`key-${round % 10}`, round);
    journal.delete(`key-${(round + 5) % 10}`);
  }
  assert.ok(statSync(file).size < 20_000, `${statSync(file).size} bytes`);
  assert.deepEqual(new Map(new Journal<number>(file).entries), new Map(journal.entries));
});
