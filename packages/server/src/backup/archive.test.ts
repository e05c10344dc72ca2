import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { packFile } from "./archive.js";

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
