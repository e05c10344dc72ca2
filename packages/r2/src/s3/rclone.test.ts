import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { KEYS, S3Server } from "../testing/s3-server.js";

const run = promisify(execFile);
const DEADLINE_MS = 60_000;

test("rclone copies a directory there, finds nothing different, moves, reads parts, and removes it", async () => {
  await using server = await S3Server.start();
  const files = join(server.under.directory, "files");
  mkdirSync(join(files, "sub ü/deep"), { recursive: true });
  writeFileSync(join(files, "sub ü/b & c.txt"), "hello");
  writeFileSync(join(files, "sub ü/deep/empty"), "");
  // In parts, as rclone is told below.
  writeFileSync(join(files, "large"), randomBytes(17_000_000));
  const config = join(server.under.directory, "rclone.conf");
  writeFileSync(config, "");
  const { accessKeyId, secretAccessKey } = KEYS.owner;
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: server.under.directory,
    RCLONE_CONFIG: config,
    RCLONE_CONFIG_R2_TYPE: "s3",
    RCLONE_CONFIG_R2_PROVIDER: "Cloudflare",
    RCLONE_CONFIG_R2_ENDPOINT: `http://127.0.0.1:${server.port}`,
    RCLONE_CONFIG_R2_ACCESS_KEY_ID: accessKeyId,
    RCLONE_CONFIG_R2_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const rclone = async (...args: string[]) => (await run("rclone", args, { env, timeout: DEADLINE_MS })).stdout;
  await rclone("mkdir", "r2:box");
  await rclone("copy", files, "r2:box/data", "--s3-chunk-size", "5M", "--s3-upload-cutoff", "6M");
  await rclone("check", "--download", files, "r2:box/data");
  assert.match((await server.under.storage.list("box", { prefix: "data/large" })).objects[0]?.etag ?? "", /-4$/);
  await rclone("moveto", "r2:box/data/sub ü/b & c.txt", "r2:box/moved");
  assert.equal(await rclone("cat", "--offset", "2", "--count", "2", "r2:box/moved"), "ll");
  const listed = JSON.parse(await rclone("lsjson", "r2:box")) as { Path: string; Size: number; IsDir: boolean }[];
  assert.deepEqual(
    listed.map(({ Path, IsDir }) => [Path, IsDir]),
    [
      ["data", true],
      ["moved", false],
    ],
  );
  await rclone("purge", "r2:box");
  assert.deepEqual(await server.under.storage.buckets(), []);
  assert.deepEqual(server.under.errors, []);
});
