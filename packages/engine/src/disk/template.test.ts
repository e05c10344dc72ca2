import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statfsSync, statSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unmount } from "../sys/libc.js";
import { enterPrivateMountNamespace } from "../sys/mount-namespace.js";
import { mountImage } from "./mount-image.js";
import { makeTemplate, writeImage } from "./template.js";

test("a disk has the size that was asked for, and takes next to none of the host's", async (t) => {
  enterPrivateMountNamespace();
  const directory = await mkdtemp(join(tmpdir(), "longshore-disk-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (const diskMb of [64, 2_000, 20_000]) {
    const template = await makeTemplate(diskMb, directory);
    assert.deepEqual(readdirSync(directory), [], "the making leaves nothing");
    const image = join(directory, "image");
    const mounted = join(directory, "mounted");
    await writeImage(template, image);
    assert.ok((await stat(image)).blocks * 512 < 2_000_000);
    mkdirSync(mounted);
    await mountImage(image, mounted);
    try {
      const { blocks, bavail, bsize } = statfsSync(mounted);
      assert.ok(Math.abs(blocks * bsize - diskMb * 1e6) < diskMb * 1e4, `${diskMb} MB became ${blocks * bsize} bytes`);
      // The kernel keeps a little back so that it can always write out what is in memory.
      assert.ok(bavail * bsize > diskMb * 0.96e6);
      assert.equal(statSync(join(mounted, "upper")).mode & 0o777, 0o755);
    } finally {
      unmount(mounted);
    }
    await rm(mounted, { recursive: true });
    await rm(image);
  }
});
