import assert from "node:assert/strict";
import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { installWorkerd } from "./workerd-file.js";

test("workerd gets a second name, a copy where others could change it; what a killed start left is not written into", () => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-workerd-"));
  try {
    const source = join(directory, "source");
    const bin = join(directory, "bin");
    writeFileSync(source, "first", { mode: 0o755 });
    installWorkerd(source, bin);
    const target = join(bin, "workerd");
    assert.equal(statSync(target).ino, statSync(source).ino);

    // As npm puts a new version: another file. This one belongs to a group that may write.
    rmSync(source);
    writeFileSync(source, "the second");
    chmodSync(source, 0o775);
    linkSync(target, `${target}.partial`);
    const before = statSync(target).ino;
    installWorkerd(source, bin);
    assert.equal(readFileSync(target, "utf8"), "the second");
    assert.ok(statSync(target).ino !== statSync(source).ino && statSync(target).ino !== before);
    assert.equal(statSync(target).mode & 0o777, 0o755);
    assert.equal(existsSync(`${target}.partial`), false);

    // On another file system there is no second name.
    const elsewhere = mkdtempSync("/dev/shm/longshore-workerd-");
    try {
      chmodSync(source, 0o755);
      mkdirSync(join(elsewhere, "bin"));
      installWorkerd(source, join(elsewhere, "bin"));
      assert.equal(readFileSync(join(elsewhere, "bin/workerd"), "utf8"), "the second");
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
