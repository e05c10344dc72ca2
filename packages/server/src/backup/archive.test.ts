import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { packFile, unpackFile } from "./archive.js";

test("a backup for which the disk has no room says so, and leaves nothing", async () => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-archive-"));
  try {
    const content = join(directory, "content");
    mkdirSync(content);
    writeFileSync(join(content, "file"), "something");
    const target = join(directory, "backup");
    // Every write to it fails as on a full disk.
    symlinkSync("/dev/full", `${target}.partial`);
    await assert.rejects(
      packFile(content, target, 0, () => undefined),
      (error) => error instanceof LongshoreError && error.code === "NO_SPACE",
    );
    assert.deepEqual([existsSync(target), existsSync(`${target}.partial`)], [false, false]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("what fills an archive up behind its end is nobody's business", { timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-archive-"));
  try {
    const [content, target, file] = [join(directory, "content"), join(directory, "target"), join(directory, "backup")];
    for (const each of [content, target]) mkdirSync(each);
    writeFileSync(join(content, "file"), "something");
    // Blocks of 10 MB: tar has ended long before all of the last one has come.
    execFileSync("tar", [
      "--create",
      "--blocking-factor=20000",
      "--use-compress-program=zstd -q",
      `--file=${file}`,
      "--directory",
      content,
      ".",
    ]);
    await unpackFile(file, target, 0, () => undefined);
    assert.equal(readFileSync(join(target, "file"), "utf8"), "something");
    truncateSync(file, Math.floor(statSync(file).size / 2));
    await assert.rejects(
      unpackFile(file, target, 0, () => undefined),
      (error) => error instanceof LongshoreError && error.code === "INVALID_INPUT",
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
