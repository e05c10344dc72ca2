import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { appDirectory, eventually, type Platform, platformSuite } from "@longshore/testkit";

const code = `
export default { async fetch(request, { BOX }) {
  const url = new URL(request.url);
  const key = decodeURIComponent(url.pathname.slice(1));
  if (request.method === "PUT") return Response.json((await BOX.put(key, request.body)).etag);
  if (key === "") return Response.json((await BOX.list()).objects.map((object) => object.key));
  const object = await BOX.get(key);
  return object === null ? new Response(null, { status: 404 }) : new Response(object.body);
} };`;

const { test } = platformSuite({ images: [] });
const app = appDirectory({ files: { "index.js": code } });
after(() => app[Symbol.dispose]());

async function run(platform: Platform, ...args: string[]): Promise<string> {
  const { code: exit, stdout, stderr } = await platform.wrangler(app.path, args);
  assert.equal(exit, 0, `wrangler ${args.join(" ")}\n${stdout}\n${stderr}`);
  return stdout;
}

test("what wrangler writes to a bucket the Worker reads, and the other way round", async (platform) => {
  const config = { name: "r2", main: "index.js", compatibility_date: "2026-01-01", r2_buckets: [{ binding: "BOX", bucket_name: "box" }] };
  app.write("wrangler.json", JSON.stringify(config));
  await platform.deploy(app.path);
  const large = randomBytes(8_000_000);
  writeFileSync(join(app.path, "large.bin"), large);
  await run(platform, "r2", "object", "put", "box/a/large", "--remote", "--file", "large.bin");
  assert.ok(Buffer.from(await (await platform.fetch("r2", "/a/large")).arrayBuffer()).equals(large));
  assert.equal((await platform.fetch("r2", "/b/ü", { method: "PUT", body: "from the Worker" })).status, 200);
  await run(platform, "r2", "object", "get", "box/b/ü", "--remote", "--file", "back");
  assert.equal(readFileSync(join(app.path, "back"), "utf8"), "from the Worker");
  assert.deepEqual(await (await platform.fetch("r2", "/")).json(), ["a/large", "b/ü"]);
});

test("what wrangler says of a bucket holds for Workers, pages and time, also after kill -9", async (platform) => {
  const cors = { allowed: { origins: ["https://app.example"], methods: ["PUT"] } };
  app.write("cors.json", JSON.stringify({ rules: [cors] }));
  await run(platform, "r2", "bucket", "cors", "set", "box", "--file", "cors.json", "--force");
  await run(platform, "r2", "bucket", "lock", "add", "box", "held", "held/", "--retention-days", "1", "--force");
  assert.equal((await platform.fetch("r2", "/held/1", { method: "PUT", body: "first" })).status, 200);
  assert.equal((await platform.fetch("r2", "/tmp/1", { method: "PUT", body: "passing" })).status, 200);
  const condition = { type: "Age", maxAge: 1 };
  const gone = { id: "gone", enabled: true, conditions: { prefix: "" }, deleteObjectsTransition: { condition } };
  const kept = { ...gone, id: "kept", enabled: false };
  app.write("lifecycle.json", JSON.stringify({ rules: [{ ...gone, conditions: { prefix: "tmp/" } }, kept] }));
  await platform.kill("server");
  const locked = async () => (await platform.fetch("r2", "/held/1", { method: "PUT", body: "second" })).status === 500 || undefined;
  await eventually("a refusal of the next server", 30_000, () => locked().catch(() => undefined));
  const headers = { origin: "https://app.example", "access-control-request-method": "PUT" };
  const preflight = await fetch(new URL("/box/from-page", platform.presence.apiUrl), { method: "OPTIONS", headers });
  assert.deepEqual([preflight.status, preflight.headers.get("access-control-allow-origin")], [200, "https://app.example"]);
  assert.equal(
    (await fetch(`${platform.presence.apiUrl}/user`, { method: "OPTIONS", headers })).headers.get("access-control-allow-origin"),
    null,
  );
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await run(platform, "r2", "bucket", "lifecycle", "set", "box", "--file", "lifecycle.json", "--force");
  const status = async (path: string) => (await platform.fetch("r2", path)).status;
  await eventually("the end of what has passed", 30_000, async () => (await status("/tmp/1")) === 404 || undefined);
  assert.equal(await (await platform.fetch("r2", "/held/1")).text(), "first");
});

test("a server that was killed serves the same objects to the same Worker; acknowledged writes outlive kill -9 of everything", async (platform) => {
  await platform.kill("server");
  const read = async () => await (await platform.fetch("r2", "/b/ü")).text();
  assert.equal(await eventually("a server that serves", 30_000, () => read().catch(() => undefined)), "from the Worker");
  const keys: string[] = [];
  const writing = (async () => {
    for (let n = 0; ; n++) {
      const { status } = await platform.fetch("r2", `/kept/${n}`, { method: "PUT", body: `value ${n}` });
      if (status !== 200) return;
      keys.push(`/kept/${n}`);
    }
  })().catch(() => undefined);
  while (keys.length < 5) await new Promise((resolve) => setTimeout(resolve, 20));
  await platform.killEverything();
  await writing;
  await platform.upAgain();
  for (const [n, key] of keys.entries()) assert.equal(await (await platform.fetch("r2", key)).text(), `value ${n}`);
});
