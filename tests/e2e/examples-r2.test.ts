import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { appDirectory, type Platform, platformSuite } from "@longshore/testkit";
import { copyProgram } from "./copy-program.js";

const { test } = platformSuite({ images: ["node"] });

async function wrangler(platform: Platform, cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await platform.wrangler(cwd, args);
  assert.equal(code, 0, `wrangler ${args.join(" ")}\n${stdout}\n${stderr}`);
  return stdout;
}

async function text(platform: Platform, app: string, path: string, init: { method?: string; body?: string } = {}): Promise<string> {
  const response = await platform.fetch(app, path, init);
  return `${response.status} ${await response.text()}`;
}

test("document-parser: the container reads the document from R2 and writes its result there, without the internet", async (platform) => {
  using app = appDirectory({ example: "document-parser" });
  await platform.deploy(app.path);
  const at = (path: string, init?: { method: string; body: string }) => text(platform, "document-parser", path, init);
  assert.equal(await at("/sales.csv", { method: "PUT", body: "item,count\ngear,2\ncog,3\n" }), '200 {"r2Key":"sales.csv"}');
  const parsed = await at("/", { method: "POST", body: '{"r2Key":"sales.csv"}' });
  assert.equal(parsed, '200 {"result":"sales.csv.json","rows":2}');
  assert.equal(await at("/sales.csv.json"), '200 [{"item":"gear","count":"2"},{"item":"cog","count":"3"}]');
  assert.equal(await at("/", { method: "POST", body: '{"r2Key":"missing.csv"}' }), "404 There is no document missing.csv.\n");
});

test("fuse-on-r2: a bucket is a directory of the container; what is written there wrangler reads", async (platform) => {
  using app = appDirectory({ example: "fuse-on-r2" });
  // The seeded image has no apt: the programs are this machine's.
  for (const program of ["s3fs", "fusermount3"]) copyProgram(program, join(app.path, "image"));
  symlinkSync("fusermount3", join(app.path, "image/usr/bin/fusermount"));
  app.replace("Dockerfile", "RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates fuse3 s3fs", "COPY image/ /");
  app.replace("wrangler.jsonc", "<your-account-id>", platform.presence.accountId);
  await wrangler(platform, app.path, "r2", "bucket", "create", "my-bucket");
  app.write("hello.txt", "put by wrangler");
  await wrangler(platform, app.path, "r2", "object", "put", "my-bucket/hello.txt", "--file", "hello.txt", "--remote");
  await platform.deploy(app.path);
  const keys = JSON.parse((await platform.succeed(["env", "--s3", "--json"])).stdout) as Record<string, string>;
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = keys;
  app.write("secrets.json", JSON.stringify({ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }));
  await wrangler(platform, app.path, "secret", "bulk", "secrets.json");
  assert.equal(await text(platform, "fuse-on-r2", "/hello.txt"), "200 put by wrangler");
  assert.equal(await text(platform, "fuse-on-r2", "/new.txt", { method: "PUT", body: "written to a file" }), "200 written\n");
  assert.equal(await text(platform, "fuse-on-r2", "/"), "200 hello.txt\nnew.txt\n");
  assert.equal(await wrangler(platform, app.path, "r2", "object", "get", "my-bucket/new.txt", "--pipe", "--remote"), "written to a file");
});
