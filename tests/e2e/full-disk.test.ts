import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { baseEnvironment, Platform, run } from "@longshore/testkit";
import { busyboxApp } from "./busybox-app.js";

const APP = "steady";
/** Enough for one version of the application, and not for {@link IMAGE_BYTES} more. */
const DISK = "size=8m,mode=711";
const IMAGE_BYTES = 12_000_000;

let data = "";
let disk = "";
let platform: Platform;

/** What the registry stores is on a small disk of its own. Builds are not, so that it is the push that meets the full disk. */
before(async () => {
  data = mkdtempSync(join(tmpdir(), "longshore-full-"));
  disk = mkdtempSync(join(tmpdir(), "longshore-disk-"));
  await system("mount", "-t", "tmpfs", "-o", DISK, "tmpfs", disk);
  for (const name of ["bucket", "uploads"]) {
    mkdirSync(join(disk, name));
    symlinkSync(join(disk, name), join(data, name));
  }
  platform = await Platform.start({ data });
});

after(async () => {
  try {
    await platform[Symbol.asyncDispose]();
  } finally {
    await system("umount", disk);
    rmSync(disk, { recursive: true, force: true });
    rmSync(data, { recursive: true, force: true });
  }
});

async function system(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await run(command, args, { env: baseEnvironment(), deadlineMs: 60_000 });
  assert.equal(code, 0, stderr);
}

async function served(): Promise<string> {
  return await (await platform.fetch(APP, "/one/")).text();
}

test("a full disk at push: it is said, the old version serves on, and with room again the deploy succeeds", async () => {
  using app = busyboxApp({ name: APP });
  await platform.deploy(app.path);
  assert.equal(await served(), "first version\n");

  app.write("www/index.html", "second version\n");
  // Random, so that it cannot be compressed.
  writeFileSync(join(app.path, "www/large"), randomBytes(IMAGE_BYTES));
  const { code, stdout, stderr } = await platform.wrangler(app.path, ["deploy"]);
  assert.notEqual(code, 0);
  assert.match(`${stdout}${stderr}`, /disk is full[\s\S]*Free some space/, platform.logs());
  assert.equal(await served(), "first version\n");

  await system("mount", "-o", "remount,size=100m", disk);
  await platform.deploy(app.path);
  await platform.fetch(APP, "/two/").then(async (response) => assert.equal(await response.text(), "second version\n"));
});
