import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Harness, scriptForm } from "./test-support/harness.js";

const NOWHERE = "0".repeat(32);

describe("KV namespaces and keys", () => {
  let api: Harness;
  before(async () => {
    api = await Harness.start();
  });
  after(() => api[Symbol.asyncDispose]());

  test("created, listed by pages, renamed, deleted; a title is one of its kind; they outlive a restart", async () => {
    const one = (await api.call("POST", "storage/kv/namespaces", { title: "one" })).result;
    assert.match(one.id, /^[0-9a-f]{32}$/);
    const two = (await api.call("POST", "storage/kv/namespaces", { title: "two" })).result;
    const taken = await api.call("POST", "storage/kv/namespaces", { title: "two" });
    assert.deepEqual([taken.status, taken.errors[0]?.code], [409, 10_014]);
    await api.restart();
    const titles = async (query: string) =>
      (await api.call("GET", `storage/kv/namespaces?${query}`)).result.map((each: { title: string }) => each.title);
    assert.deepEqual(await titles("per_page=1&page=2&order=title&direction=asc"), ["two"]);
    assert.deepEqual(await titles("per_page=1&page=3"), []);
    assert.equal((await api.call("PUT", `storage/kv/namespaces/${one.id}`, { title: "two" })).status, 409);
    assert.equal((await api.call("PUT", `storage/kv/namespaces/${one.id}`, { title: "three" })).result.title, "three");
    assert.equal((await api.call("DELETE", `storage/kv/namespaces/${two.id}`)).success, true);
    assert.deepEqual(await titles(""), ["three"]);
    for (const path of ["", "/keys", "/values/k"]) {
      const gone = await api.call("GET", `storage/kv/namespaces/${two.id}${path}`);
      assert.deepEqual([gone.status, gone.errors[0]?.code], [404, 10_013], path);
    }
  });

  test("keys with slashes, bytes, metadata, bulk", async () => {
    const { id } = (await api.call("POST", "storage/kv/namespaces", { title: "keys" })).result;
    const at = `storage/kv/namespaces/${id}`;
    assert.equal((await api.call("PUT", `${at}/values/a%2Fb%25`, "plain")).success, true);
    assert.equal(Buffer.from((await api.keyValues.get(id, "a/b%"))?.value ?? []).toString(), "plain");
    const form = new FormData();
    form.set("value", new Blob([new Uint8Array([0, 255])]));
    form.set("metadata", '{"a":1}');
    assert.equal((await api.call("PUT", `${at}/values/bytes`, form)).success, true);
    assert.deepEqual((await api.call("GET", `${at}/metadata/bytes`)).result, { a: 1 });
    const pairs = [
      { key: "b1", value: "/wA=", base64: true, metadata: { x: 1 } },
      { key: "__proto__", value: "2" },
    ];
    assert.deepEqual((await api.call("PUT", `${at}/bulk`, pairs)).result, { successful_key_count: 2, unsuccessful_keys: [] });
    assert.deepEqual([...((await api.keyValues.get(id, "b1"))?.value ?? [])], [255, 0]);
    const got = (await api.call("POST", `${at}/bulk/get`, { keys: ["__proto__", "none"] })).result.values;
    assert.deepEqual(Object.entries(got), [
      ["__proto__", "2"],
      ["none", null],
    ]);
    assert.equal((await api.call("POST", `${at}/bulk/delete`, ["b1", "__proto__", "a/b%"])).success, true);
    const keys = await api.call("GET", `${at}/keys`);
    assert.deepEqual([keys.result, keys.result_info], [[{ name: "bytes" }], { count: 1, cursor: "" }]);
    const none = await api.call("GET", `${at}/values/none`);
    assert.deepEqual([none.status, none.errors[0]?.code], [404, 10_009]);
    assert.equal((await api.call("PUT", `${at}/bulk`, [{ key: 1 }])).status, 400);
    assert.equal((await api.call("PUT", `${at}/values/k?expiration_ttl=soon`, "x")).status, 400);
  });
});

describe("D1 databases", () => {
  let api: Harness;
  before(async () => {
    api = await Harness.start();
  });
  after(() => api[Symbol.asyncDispose]());

  test("created, found by name, queried, deleted", async () => {
    const { uuid } = (await api.call("POST", "d1/database", { name: "db" })).result;
    const taken = await api.call("POST", "d1/database", { name: "db" });
    assert.deepEqual([taken.status, taken.errors[0]?.code], [409, 7502]);
    assert.equal((await api.call("GET", "d1/database/db?fields=uuid,name")).result.uuid, uuid);
    assert.equal((await api.call("GET", `d1/database/${uuid}`)).result.file_size, 4096);
    const answer = await api.call("POST", `d1/database/${uuid}/query`, { sql: "SELECT 1; -- x\n SELECT 2;" });
    assert.deepEqual(
      answer.result.map((each: { results: unknown }) => each.results),
      [[{ one: 1 }], [{ one: 1 }]],
    );
    const raw = await api.call("POST", `d1/database/${uuid}/raw`, { batch: [{ sql: "SELECT ?", params: ["x"] }] });
    assert.deepEqual(raw.result[0].results, { columns: ["one"], rows: [[1]] });
    const refused = await api.call("POST", `d1/database/${uuid}/query`, { sql: "SELECT * FROM nope" });
    assert.deepEqual([refused.status, refused.errors], [400, [{ code: 7500, message: "no such table: nope" }]]);
    assert.equal((await api.call("POST", `d1/database/${uuid}/query`, { sql: "SELECT ?; SELECT ?", params: [1] })).status, 400);
    assert.equal((await api.call("DELETE", `d1/database/${uuid}`)).success, true);
    assert.equal((await api.call("POST", `d1/database/${uuid}/query`, { sql: "SELECT 1" })).errors[0]?.code, 7404);
  });

  test("files go in and out by addresses of their own, without the account's token", async () => {
    const { uuid } = (await api.call("POST", "d1/database", { name: "files" })).result;
    const sql = "CREATE TABLE t (n); INSERT INTO t VALUES (1);";
    const etag = "0bcaf5e8a0c1e4f5c8f0f2a7b0a5e1f1";
    const init = (await api.call("POST", `d1/database/${uuid}/import`, { action: "init", etag })).result;
    const sent = await fetch(init.upload_url, { method: "PUT", body: sql });
    const md5 = (sent.headers.get("etag") ?? "").replaceAll('"', "");
    const other = await api.call("POST", `d1/database/${uuid}/import`, { action: "ingest", etag, filename: init.filename });
    assert.equal(other.status, 400);
    const done = await api.call("POST", `d1/database/${uuid}/import`, { action: "ingest", etag: md5, filename: init.filename });
    assert.deepEqual([done.result.status, done.result.result.num_queries, done.result.result.meta.rows_written], ["complete", 2, 4]);
    assert.equal((await fetch(init.upload_url, { method: "PUT", body: sql })).status, 404, "used up");
    const exported = await api.call("POST", `d1/database/${uuid}/export`, { output_format: "polling", dump_options: { no_data: true } });
    assert.equal(await (await fetch(exported.result.result.signed_url)).text(), "CREATE TABLE t (n);\n");
    assert.equal((await fetch(`${api.url}/d1-transfers/..%2F..%2Fscript-heads`)).status, 404);
  });
});

test("a binding must name what is there; it is shown as clients know it, and inherited", async () => {
  await using api = await Harness.start();
  const { id } = (await api.call("POST", "storage/kv/namespaces", { title: "bound" })).result;
  const { uuid } = (await api.call("POST", "d1/database", { name: "bound" })).result;
  const deploy = (bindings: unknown[]) => api.call("PUT", "workers/scripts/app", scriptForm({ bindings }));
  const missing = await deploy([{ type: "kv_namespace", name: "KV", namespace_id: NOWHERE }]);
  assert.deepEqual([missing.status, missing.errors[0]?.code], [400, 10_021]);
  assert.match(missing.errors[0]?.message ?? "", /"KV" \(kv_namespace\).*no KV namespace 0{32}/);
  const bindings = [
    { type: "kv_namespace", name: "KV", namespace_id: id },
    { type: "d1", name: "DB", id: uuid },
  ];
  assert.equal((await deploy(bindings)).success, true);
  assert.deepEqual(api.workers.binding("app", "DB"), { type: "d1", name: "DB", databaseId: uuid });
  const shown = (await api.call("GET", "workers/scripts/app/settings")).result.bindings;
  assert.deepEqual(shown, [bindings[0], { ...bindings[1], database_id: uuid }]);
  assert.equal((await deploy([{ type: "inherit", name: "KV" }])).success, true);
  assert.deepEqual(api.workers.binding("app", "KV"), { type: "kv_namespace", name: "KV", namespaceId: id });
});
