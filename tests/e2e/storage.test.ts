import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { appDirectory, type Platform, platformSuite, type WranglerVersion } from "@longshore/testkit";

const code = `
export default { async fetch(request, env) {
  const url = new URL(request.url);
  const key = decodeURIComponent(url.pathname.slice(4));
  if (url.pathname.startsWith("/kv/")) {
    if (request.method === "GET") return Response.json(await env.KV.getWithMetadata(key));
    if (request.method === "PUT") { await env.KV.put(key, request.body); return new Response("put"); }
    if (request.method === "DELETE") { await env.KV.delete(key); return new Response("deleted"); }
  }
  const { results } = await env.DB.prepare(await request.text()).all();
  return Response.json(results);
} };`;

const { test } = platformSuite({ images: [] });
const app = appDirectory({});
after(() => app[Symbol.dispose]());

for (const version of ["4.86", "latest"] as const satisfies readonly WranglerVersion[]) {
  const name = version === "4.86" ? "stores" : "stores-latest";
  const directory = appDirectory({ files: { "index.js": code } });
  after(() => directory[Symbol.dispose]());

  /** What the command printed. */
  async function run(platform: Platform, ...args: string[]): Promise<string> {
    const { code: exit, stdout, stderr } = await platform.wrangler(directory.path, args, { version });
    assert.equal(exit, 0, `wrangler ${args.join(" ")}\n${stdout}\n${stderr}`);
    return stdout;
  }

  test(`wrangler ${version}: what it writes to KV and D1 the Worker reads, and the other way round`, async (platform) => {
    directory.write("wrangler.json", JSON.stringify({ name, main: "index.js", compatibility_date: "2026-01-01" }));
    const namespace = /[0-9a-f]{32}/.exec(await run(platform, "kv", "namespace", "create", `kv-${name}`))?.[0] ?? "";
    const database = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(await run(platform, "d1", "create", `d1-${name}`))?.[0] ?? "";
    assert.ok(namespace && database);
    assert.match(await run(platform, "kv", "namespace", "list"), new RegExp(`"title": "kv-${name}"`));
    const stores = {
      kv_namespaces: [{ binding: "KV", id: namespace }],
      d1_databases: [{ binding: "DB", database_name: `d1-${name}`, database_id: database }],
    };
    const config = { name, main: "index.js", compatibility_date: "2026-01-01", ...stores };
    directory.write("wrangler.json", JSON.stringify(config));
    await platform.deploy(directory.path, { version });

    const kv = (...args: string[]) => run(platform, "kv", ...args, "--binding", "KV", "--remote");
    await kv("key", "put", "a/b ü", "from wrangler", "--metadata", '{"by":"Wrangler"}');
    const got = await platform.fetch(name, `/kv/${encodeURIComponent("a/b ü")}`);
    assert.deepEqual(await got.json(), { value: "from wrangler", metadata: { by: "Wrangler" }, cacheStatus: "MISS" });
    await platform.fetch(name, "/kv/large", { method: "PUT", body: "x".repeat(2_000_000) });
    assert.equal((await kv("key", "get", "large", "--text")).trim().length, 2_000_000);
    const listed = JSON.parse(await kv("key", "list")) as { name: string }[];
    assert.deepEqual(
      listed.map((each) => each.name),
      ["a/b ü", "large"],
    );
    await kv("key", "delete", "a/b ü");
    assert.equal(((await (await platform.fetch(name, `/kv/${encodeURIComponent("a/b ü")}`)).json()) as { value: unknown }).value, null);
    const sql = async (text: string) => await (await platform.fetch(name, "/sql", { method: "POST", body: text })).json();
    const d1 = (...args: string[]) => run(platform, "d1", ...args);
    // The rest of what the newest one asks is the same, request for request.
    if (version === "latest") {
      assert.match(await d1("execute", `d1-${name}`, "--remote", "--json", "--command", "SELECT 1 AS one"), /"one": 1/);
      directory.write("file.sql", "CREATE TABLE t (n); INSERT INTO t VALUES (7);");
      await d1("execute", "DB", "--remote", "--yes", "--file", "file.sql");
      assert.deepEqual(await sql("SELECT n FROM t"), [{ n: 7 }]);
      return;
    }
    directory.write("pairs.json", JSON.stringify([1, 2, 3].map((n) => ({ key: `bulk-${n}`, value: `value ${n}` }))));
    await kv("bulk", "put", "pairs.json");
    assert.equal(((await (await platform.fetch(name, "/kv/bulk-2")).json()) as { value: unknown }).value, "value 2");
    directory.write("keys.json", JSON.stringify(["bulk-1", "bulk-2"]));
    assert.match(await kv("bulk", "get", "keys.json"), /value 1/);
    await kv("bulk", "delete", "keys.json", "--force");
    assert.deepEqual(
      (JSON.parse(await kv("key", "list", "--prefix", "bulk")) as { name: string }[]).map((each) => each.name),
      ["bulk-3"],
    );

    directory.write("migrations/0001_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); -- one; two\n");
    await d1("migrations", "apply", "DB", "--remote");
    assert.match(await d1("migrations", "list", "DB", "--remote"), /No migrations to apply/);
    const inserted = `INSERT INTO users (name) VALUES ('wrangler;'); SELECT count(*) AS n FROM users`;
    assert.match(await d1("execute", "DB", "--remote", "--json", "--command", inserted), /"n": 1/);
    assert.deepEqual(await sql("SELECT * FROM users"), [{ id: 1, name: "wrangler;" }]);
    await sql("INSERT INTO users (name) VALUES ('worker')");
    assert.match(await d1("execute", "DB", "--remote", "--json", "--command", "SELECT name FROM users"), /worker/);
    directory.write("more.sql", "INSERT INTO users (name) VALUES ('file');\nINSERT INTO users (name) VALUES ('file2');\n");
    await d1("execute", "DB", "--remote", "--yes", "--file", "more.sql");
    assert.deepEqual(await sql("SELECT count(*) AS n FROM users"), [{ n: 4 }]);
    await d1("export", "DB", "--remote", "--output", "out.sql", "-y");
    assert.match(readFileSync(join(directory.path, "out.sql"), "utf8"), /INSERT INTO "users" \("id","name"\) VALUES\(4,'file2'\);/);
    const info = JSON.parse(await d1("info", `d1-${name}`, "--json")) as { num_tables: number };
    assert.equal(info.num_tables, 2);
    assert.match(await d1("list"), new RegExp(`d1-${name}`));
    const failed = await platform.wrangler(directory.path, ["d1", "execute", "DB", "--remote", "--command", "SELECT * FROM nope"], {
      version,
    });
    assert.notEqual(failed.code, 0);
    assert.match(failed.stdout + failed.stderr, /no such table: nope/);
  });
}

test("acknowledged writes outlive kill -9 of everything; a deleted namespace is gone for its Worker", async (platform) => {
  await platform.fetch("stores", "/kv/kept", { method: "PUT", body: "kept" });
  await platform.fetch("stores", "/sql", { method: "POST", body: "INSERT INTO users (name) VALUES ('kept')" });
  await platform.killEverything();
  await platform.upAgain();
  assert.equal(((await (await platform.fetch("stores", "/kv/kept")).json()) as { value: unknown }).value, "kept");
  const body = "SELECT name FROM users ORDER BY id DESC LIMIT 1";
  assert.deepEqual(await (await platform.fetch("stores", "/sql", { method: "POST", body })).json(), [{ name: "kept" }]);

  const list = await platform.wrangler(app.path, ["kv", "namespace", "list"]);
  const namespace = (JSON.parse(list.stdout) as { id: string; title: string }[]).find(({ title }) => title === "kv-stores")?.id ?? "";
  assert.equal(
    (await platform.wrangler(app.path, ["kv", "namespace", "rename", "--namespace-id", namespace, "--new-name", "renamed"])).code,
    0,
  );
  assert.equal((await platform.wrangler(app.path, ["kv", "namespace", "delete", "--namespace-id", namespace, "-y"])).code, 0);
  assert.equal((await platform.wrangler(app.path, ["d1", "delete", "d1-stores", "-y"])).code, 0);
  assert.equal((await platform.fetch("stores", "/kv/kept")).status, 500, "not as if it had never been written");
  assert.equal((await platform.fetch("stores", "/sql", { method: "POST", body })).status, 500);
});
