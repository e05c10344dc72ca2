import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readLastLine, writeLastLine } from "./last-line.js";

test("the last whole line counts, whatever was left unfinished, and the file stays small", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "last-line-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "record");

  writeFileSync(file, "");
  assert.equal(readLastLine(file), undefined);
  appendFileSync(file, '\n{"half":"a li');
  assert.equal(readLastLine(file), undefined);
  writeLastLine(file, { n: 1 });
  assert.deepEqual(readLastLine(file), { n: 1 });
  writeLastLine(file, { n: 2 });
  appendFileSync(file, '\n{"n":3');
  assert.deepEqual(readLastLine(file), { n: 2 });

  for (let n = 0; n < 200; n++) writeLastLine(file, { n, text: "x".repeat(1000) });
  assert.deepEqual((readLastLine(file) as { n: number }).n, 199);
  assert.ok(statSync(file).size < 70_000);
  assert.deepEqual(readdirSync(directory), ["record"]);
});
