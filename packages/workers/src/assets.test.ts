import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, truncateSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { AssetFile, AssetsConfig, WorkerAssets } from "@longshore/contract";
import { fetchText, hexId, type Modules, type TestHost, testHost } from "./fixtures.js";

const code = `export default { async fetch(request, env) {
  const { pathname } = new URL(request.url);
  return pathname.startsWith("/through") ? env.ASSETS.fetch(new URL("/page", request.url)) : new Response("worker " + pathname);
} };`;

/** The files in the store, as an upload leaves them. */
function assetsOf(modules: Modules, files: Record<string, string>, config: AssetsConfig = {}): WorkerAssets {
  const listed = Object.entries(files).map(([path, content]): AssetFile => {
    const digest = createHash("sha256").update(content).digest("hex").slice(0, 32);
    return { path, key: modules.addAs(`assets/${digest}`, content), size: Buffer.byteLength(content) };
  });
  const list = JSON.stringify(listed);
  const id = createHash("sha256").update(list).digest("hex");
  return { id, listKey: modules.addAs(`asset-lists/${id}`, list), config };
}

async function get({ host }: TestHost, path: string, headers: Record<string, string> = {}) {
  const upstream = host.upstream("site");
  assert(upstream !== undefined && "socketPath" in upstream);
  const outgoing = request({ socketPath: upstream.socketPath, path, agent: false, headers: { host: "site.localhost", ...headers } });
  outgoing.end();
  const [response] = await once(outgoing, "response");
  return { status: response.statusCode, headers: response.headers, text: await text(response) };
}

const FILES = { "/index.html": "<h1>home</h1>", "/page.html": "page", "/dir/index.html": "dir", "/a b/ü.txt": "umlaut", "/x.js": "1" };
const ASSETS_BINDING = { type: "assets", name: "ASSETS" } as const;

test("files are served as configured, the rest goes to the Worker, and the Worker reaches the files", async () => {
  await using it = await testHost();
  const config = { headers: "/x.js\n  X-Own: yes\n", redirects: "/old /page 301\n", run_worker_first: ["/dir/*"] };
  const assets = assetsOf(it.modules, FILES, config);
  const target = it.modules.target("site", code, { assets, bindings: [ASSETS_BINDING] });
  await it.host.check(target);
  await it.host.apply(target);
  assert.equal((await get(it, "/")).text, "<h1>home</h1>");
  assert.match((await get(it, "/")).headers["content-type"], /^text\/html/);
  assert.equal((await get(it, "/page")).text, "page");
  assert.equal((await get(it, "/page.html")).headers.location, "/page");
  assert.equal((await get(it, "/a%20b/%C3%BC.txt")).text, "umlaut");
  assert.equal((await get(it, "/x.js")).headers["x-own"], "yes");
  assert.deepEqual([(await get(it, "/old")).status, (await get(it, "/old")).headers.location], [301, "/page"]);
  assert.equal((await get(it, "/dir/")).text, "worker /dir/");
  assert.equal((await get(it, "/api")).text, "worker /api");
  assert.equal((await get(it, "/through")).text, "page");
  const { etag } = (await get(it, "/x.js")).headers;
  assert.equal((await get(it, "/x.js", { "if-none-match": etag })).status, 304);
});

test("an ETag stays with the content over releases, and changes with it", async () => {
  await using it = await testHost();
  const tag = async (files: Record<string, string>) => {
    const assets = assetsOf(it.modules, files);
    await it.host.apply(it.modules.target("site", code, { assets, bindings: [ASSETS_BINDING] }));
    return (await get(it, "/x.js")).headers.etag;
  };
  const first = await tag(FILES);
  const other = await tag({ ...FILES, "/x.js": "2" });
  const again = await tag({ ...FILES, "/page.html": "changed" });
  assert.notEqual(first, other);
  assert.equal(first, again);
  const trees = join(it.directory, "data/site/assets/trees");
  assert.equal(readdirSync(trees).length, 1, "only the files of what runs are kept");
  assert.equal(readdirSync(join(it.directory, "data/site/assets/blobs")).length, 5);
  await it.host.apply(it.modules.target("site", code));
  assert.equal(existsSync(join(it.directory, "data/site/assets")), false);
  assert.equal(await fetchText(it.host, "site", "/x.js"), "worker /x.js");
});

test("files alone make a Worker: with a page for what is not there, or one page for all of an application's paths", async () => {
  await using it = await testHost();
  const nothing = { id: hexId("n"), mainModule: "", modules: [] };
  const notFound = assetsOf(it.modules, { ...FILES, "/404.html": "no such page" }, { not_found_handling: "404-page" });
  const target = it.modules.target("site", code, { ...nothing, assets: notFound });
  await it.host.check(target);
  await it.host.apply(target);
  const missing = await get(it, "/missing/page");
  assert.deepEqual([missing.status, missing.text], [404, "no such page"]);

  const single = assetsOf(it.modules, FILES, { not_found_handling: "single-page-application" });
  await it.host.apply(it.modules.target("site", code, { ...nothing, assets: single }));
  const page = await get(it, "/missing/page", { "sec-fetch-mode": "navigate" });
  assert.deepEqual([page.status, page.text], [200, "<h1>home</h1>"]);
});

test("a file that a power cut emptied is written again at the next start", async () => {
  await using it = await testHost();
  const assets = assetsOf(it.modules, FILES);
  const target = it.modules.target("site", code, { assets, bindings: [ASSETS_BINDING] });
  await it.host.apply(target);
  truncateSync(join(it.directory, "data/site/assets/trees", assets.id, "x.js"));
  await it.host.remove("site", { deleteData: false });
  await it.host.apply(target);
  assert.equal((await get(it, "/x.js")).text, "1");
});

test("a binding to files that are not there is refused", async () => {
  await using it = await testHost();
  await assert.rejects(it.host.check(it.modules.target("site", code, { bindings: [ASSETS_BINDING] })), {
    code: "INVALID_INPUT",
    message: /static assets, of which it has none/,
  });
});
