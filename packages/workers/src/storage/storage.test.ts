import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { LongshoreError, type WorkerBinding } from "@longshore/contract";
import { fetchText, hexId, hostOptions, Modules, temporaryDirectory, testHost } from "../fixtures.js";
import { createWorkerHost } from "../host.js";
import { scriptPlaces } from "../layout.js";
import { workerdsWithArgument } from "../process/proc.js";
import { readLiveRecord } from "../process/record.js";

const NAMESPACE = hexId("namespace");
const DATABASE = "7b6e2c52-1111-4a6f-9d1f-2d4a1f1e0001";
const DEADLINE = { timeout: 60_000 };

/** Does what the path says and answers JSON. */
const code = `
export default { async fetch(request, env) {
  const url = new URL(request.url);
  const [, verb, key] = url.pathname.split("/").map(decodeURIComponent);
  try {
    switch (verb) {
      case "put": await env.KV.put(key, url.searchParams.get("value"), { metadata: { from: "Wörker" } }); return Response.json(true);
      case "put-large": await env.KV.put(key, new Uint8Array(3_000_000).fill(7)); return Response.json(true);
      case "get": return Response.json(await env.KV.getWithMetadata(key));
      case "size": return Response.json((await env.KV.get(key, "arrayBuffer")).byteLength);
      case "list": return Response.json((await env.KV.list({ prefix: key })).keys.map(({ name }) => name));
      case "delete": await env.KV.delete(key); return Response.json(true);
      case "sql": return Response.json((await env.DB.prepare(url.searchParams.get("q")).bind(...url.searchParams.getAll("p")).all()).results);
      case "env": return Response.json(Object.keys(env));
    }
  } catch (error) { return Response.json({ error: error.message }); }
} };`;

const bound: WorkerBinding[] = [
  { type: "kv_namespace", name: "KV", namespaceId: NAMESPACE },
  { type: "d1", name: "DB", databaseId: DATABASE },
];

test("a Worker reads what the server wrote, and the other way round", DEADLINE, async () => {
  await using t = await testHost();
  const { host, modules } = t;
  await host.keyValues.put(NAMESPACE, "a/b ü", Buffer.from("héllo"), { metadata: '{"x":"é"}' });
  await host.databases.run(DATABASE, [
    { sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)" },
    { sql: "INSERT INTO t (name) VALUES (?)", params: ["one"] },
  ]);
  const target = modules.target("app", code, { bindings: bound });
  await host.check(target);
  await host.apply(target);

  const key = encodeURIComponent("a/b ü");
  assert.deepEqual(JSON.parse(await fetchText(host, "app", `/get/${key}`)), { value: "héllo", metadata: { x: "é" }, cacheStatus: "MISS" });
  await fetchText(host, "app", "/put/k1?value=from-worker");
  const read = await host.keyValues.get(NAMESPACE, "k1");
  assert.equal(Buffer.from(read?.value ?? []).toString(), "from-worker");
  assert.deepEqual(JSON.parse(read?.metadata ?? ""), { from: "Wörker" });
  await fetchText(host, "app", "/put-large/large");
  assert.equal((await host.keyValues.get(NAMESPACE, "large"))?.value.length, 3_000_000);
  assert.equal(await fetchText(host, "app", "/list/k"), '["k1"]');
  const page = await host.keyValues.list(NAMESPACE, { limit: 2 });
  assert.deepEqual(
    page.keys.map(({ name }) => name),
    ["a/b ü", "k1"],
  );
  assert.deepEqual((await host.keyValues.list(NAMESPACE, { cursor: page.cursor ?? "" })).keys, [{ name: "large" }]);
  await host.keyValues.delete(NAMESPACE, "k1");
  assert.equal(await fetchText(host, "app", "/list/k"), "[]");

  assert.equal(await fetchText(host, "app", "/sql?q=INSERT+INTO+t+(name)+VALUES+(?)+RETURNING+id&p=two"), '[{"id":2}]');
  const [rows] = await host.databases.run(DATABASE, [{ sql: "SELECT name FROM t ORDER BY id" }]);
  assert.deepEqual([rows?.columns, rows?.rows], [["name"], [["one"], ["two"]]]);
  assert.deepEqual((await host.databases.export(DATABASE, { noSchema: false, noData: false, tables: [] })).slice(1), [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);",
    `INSERT INTO "t" ("id","name") VALUES(1,'one');`,
    `INSERT INTO "t" ("id","name") VALUES(2,'two');`,
  ]);
});

test("a failed statement undoes those before it, and says why", DEADLINE, async () => {
  await using t = await testHost();
  const { databases } = t.host;
  await databases.run(DATABASE, [{ sql: "CREATE TABLE t (n)" }]);
  await assert.rejects(databases.run(DATABASE, [{ sql: "INSERT INTO t VALUES (1)" }, { sql: "INSERT INTO nope VALUES (1)" }]), {
    code: "INVALID_INPUT",
    message: /no such table: nope/,
  });
  assert.deepEqual((await databases.run(DATABASE, [{ sql: "SELECT count(*) FROM t" }]))[0]?.rows, [[0]]);
});

test("what KV does not take is refused with the reason", DEADLINE, async () => {
  await using t = await testHost();
  const { keyValues } = t.host;
  await assert.rejects(keyValues.put(NAMESPACE, "k", Buffer.alloc(25 * 1024 * 1024 + 1), {}), { code: "TOO_LARGE" });
  await assert.rejects(keyValues.put(NAMESPACE, "k".repeat(513), Buffer.alloc(1), {}), { code: "TOO_LARGE" });
  await assert.rejects(keyValues.put(NAMESPACE, "k", Buffer.alloc(1), { expirationTtl: 5 }), {
    code: "INVALID_INPUT",
    message: /at least 60/,
  });
  await assert.rejects(keyValues.put(NAMESPACE, "k", Buffer.alloc(1), { metadata: `"${"m".repeat(1024)}"` }), { code: "TOO_LARGE" });
});

test("a Worker reaches only what it is bound to, whatever it sends", DEADLINE, async () => {
  await using t = await testHost();
  const { host, modules } = t;
  await host.keyValues.put(NAMESPACE, "secret", Buffer.from("mine"), {});
  await host.apply(modules.target("other", code, { bindings: [{ type: "kv_namespace", name: "KV", namespaceId: hexId("another") }] }));
  assert.deepEqual(JSON.parse(await fetchText(host, "other", "/get/secret")).value, null);
  assert.equal(await fetchText(host, "other", "/env"), '["KV"]');
  // A request from outside that carries the headers is the Worker's, not the store's.
  const upstream = host.upstream("other");
  assert.ok(upstream !== undefined && "socketPath" in upstream);
  const headers = { host: "x", "X-Longshore-Store": `kv/${NAMESPACE}`, "X-Longshore-Command": "destroy" };
  const outgoing = request({ socketPath: upstream.socketPath, path: "/get/secret", agent: false, headers }).end();
  const [response] = await once(outgoing, "response");
  assert.equal(JSON.parse(await text(response)).value, null);
  assert.equal(Buffer.from((await host.keyValues.get(NAMESPACE, "secret"))?.value ?? []).toString(), "mine");
});

test("a destroyed store is empty and refuses everything, also after a restart", DEADLINE, async () => {
  await using directory = await temporaryDirectory();
  const modules = new Modules();
  const options = hostOptions(directory.path, modules);
  const first = await createWorkerHost(options);
  await first.keyValues.put(NAMESPACE, "k", Buffer.alloc(200_000), {});
  await first.databases.run(DATABASE, [{ sql: "CREATE TABLE t (n)" }]);
  await first.apply(modules.target("app", code, { bindings: bound }));
  await first.keyValues.destroy(NAMESPACE);
  await first.databases.destroy(DATABASE);
  await assert.rejects(first.keyValues.get(NAMESPACE, "k"), { code: "NOT_FOUND", message: /namespace is deleted/ });
  await assert.rejects(first.databases.run(DATABASE, [{ sql: "SELECT 1" }]), { code: "NOT_FOUND", message: /database is deleted/ });
  assert.match(await fetchText(first, "app", "/put/k?value=1"), /"error":"KV PUT failed: 403/);
  assert.match(await fetchText(first, "app", "/sql?q=SELECT+1"), /"error":"D1_ERROR/);
  await first.close();
  const second = await createWorkerHost(options);
  await assert.rejects(second.keyValues.get(NAMESPACE, "k"), { code: "NOT_FOUND" });
  await second.close();
});

test("what is asked of a store after the end is refused, and starts nothing", DEADLINE, async () => {
  await using it = await testHost();
  const put = (key: string) => it.host.keyValues.put(NAMESPACE, key, Buffer.from("value"), {});
  await put("first");
  await it.host.close();
  await assert.rejects(put("after"), (error) => error instanceof LongshoreError && error.code === "UNAVAILABLE");
  assert.deepEqual(workerdsWithArgument(join(it.directory, "run/")), []);
});

test("acknowledged writes outlive kill -9 of the storage process, which outlives the server", DEADLINE, async () => {
  await using directory = await temporaryDirectory();
  const modules = new Modules();
  const options = hostOptions(directory.path, modules);
  const record = () => readLiveRecord(scriptPlaces(options.dataDirectory, options.runDirectory, ".storage").record);
  const first = await createWorkerHost(options);
  await first.apply(modules.target("app", code, { bindings: bound }));
  await first.databases.run(DATABASE, [{ sql: "CREATE TABLE t (n)" }]);
  const before = record();
  assert.ok(before);
  await first.detach();
  const second = await createWorkerHost(options);
  assert.equal(await fetchText(second, "app", "/put/k?value=kept"), "true");
  assert.equal(await fetchText(second, "app", "/put-large/large"), "true");
  assert.equal(await fetchText(second, "app", "/sql?q=INSERT+INTO+t+VALUES+(?)&p=kept"), "[]");
  assert.equal(record()?.pid, before.pid, "the same process, taken over");
  process.kill(before.pid, "SIGKILL");
  assert.equal((await second.keyValues.get(NAMESPACE, "large"))?.value.length, 3_000_000);
  assert.equal(JSON.parse(await fetchText(second, "app", "/get/k")).value, "kept");
  assert.equal(await fetchText(second, "app", "/sql?q=SELECT+n+FROM+t"), '[{"n":"kept"}]');
  assert.notEqual(record()?.pid, before.pid);
  await second.close();
});
