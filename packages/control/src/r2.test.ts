import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { ACCOUNT, Harness, scriptForm, TOKEN } from "./test-support/harness.js";

describe("R2 buckets and objects", () => {
  let api: Harness;
  before(async () => {
    api = await Harness.start();
  });
  after(() => api[Symbol.asyncDispose]());
  const raw = (method: string, path: string, body?: Uint8Array | string, headers: Record<string, string> = {}) =>
    fetch(`${api.url}/accounts/${ACCOUNT}/r2/buckets/${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    });

  test("buckets are created once, shown, changed and deleted when empty, each failure under its number", async () => {
    const made = await api.call("POST", "r2/buckets", { name: "box", locationHint: "weur" });
    assert.deepEqual([made.status, made.result.name, made.result.storage_class, made.result.location], [200, "box", "Standard", "WEUR"]);
    const number = async (method: string, path: string, body?: unknown) => {
      const { status, errors } = await api.call(method, path, body);
      return [status, errors[0]?.code];
    };
    assert.deepEqual(await number("POST", "r2/buckets", { name: "box" }), [409, 10_004]);
    assert.deepEqual(await number("POST", "r2/buckets", { name: "../box" }), [400, 10_400]);
    assert.deepEqual(await number("GET", "r2/buckets/none"), [404, 10_006]);
    assert.deepEqual(await number("DELETE", "r2/buckets/none"), [404, 10_006]);
    assert.equal((await raw("PATCH", "box", undefined, { "cf-r2-storage-class": "InfrequentAccess" })).status, 200);
    assert.equal((await raw("GET", "box", undefined, { "cf-r2-jurisdiction": "eu" })).status, 422);
    assert.equal((await raw("PUT", "box/objects/k", "x")).status, 200);
    assert.deepEqual(await number("DELETE", "r2/buckets/box"), [409, 10_008]);
    await api.restart();
    assert.deepEqual(
      (await api.call("GET", "r2/buckets")).result.buckets.map((each: { name: string }) => each.name),
      ["box"],
    );
    assert.equal((await raw("DELETE", "box/objects/k")).status, 200);
    assert.equal((await api.call("DELETE", "r2/buckets/box")).success, true);
  });

  test("objects with any key and their headers, listed by pages", async () => {
    await api.call("POST", "r2/buckets", { name: "objects" });
    const bytes = randomBytes(300_000);
    const headers = { "content-type": "image/png", "cache-control": "max-age=5", expires: "Wed, 01 Jan 2031 00:00:00 GMT" };
    const put = await raw("PUT", "objects/objects/a/b%20%C3%BC%2B.png", bytes, headers);
    assert.equal(((await put.json()) as { result: { key: string } }).result.key, "a/b ü+.png");
    const got = await raw("GET", "objects/objects/a/b%20ü%2B.png");
    assert.ok(Buffer.from(await got.arrayBuffer()).equals(bytes));
    for (const [name, value] of Object.entries(headers)) assert.equal(got.headers.get(name), value);
    const none = await raw("GET", "objects/objects/none");
    assert.deepEqual([none.status, ((await none.json()) as { errors: { code: number }[] }).errors[0]?.code], [404, 10_007]);
    assert.equal((await raw("PUT", "none/objects/k", "x")).status, 404);
    await raw("PUT", "objects/objects/a/c", "");
    const page = await api.call("GET", "r2/buckets/objects/objects?per_page=1&prefix=a/");
    assert.deepEqual([page.result[0].key, page.result_info.is_truncated], ["a/b ü+.png", true]);
    const next = await api.call("GET", `r2/buckets/objects/objects?cursor=${page.result_info.cursor}`);
    assert.deepEqual([next.result[0].key, next.result[0].size, next.result_info.is_truncated], ["a/c", 0, false]);
    const folders = await api.call("GET", "r2/buckets/objects/objects?delimiter=/");
    assert.deepEqual([folders.result, folders.result_info.delimited], [[], ["a/"]]);
  });

  test("a binding must name a bucket that is there; it is shown as clients know it", async () => {
    const deploy = (binding: Record<string, unknown>) =>
      api.call("PUT", "workers/scripts/app", scriptForm({ bindings: [{ type: "r2_bucket", name: "BOX", ...binding }] }));
    const missing = await deploy({ bucket_name: "bound" });
    assert.deepEqual([missing.status, missing.errors[0]?.code], [400, 10_021]);
    assert.match(missing.errors[0]?.message ?? "", /"BOX" \(r2_bucket\).*no R2 bucket "bound".*wrangler r2 bucket create bound/);
    await api.call("POST", "r2/buckets", { name: "bound" });
    assert.equal((await deploy({ bucket_name: "bound", jurisdiction: "eu" })).status, 422);
    assert.equal((await deploy({ bucket_name: "bound" })).success, true);
    assert.deepEqual(api.workers.binding("app", "BOX"), { type: "r2_bucket", name: "BOX", bucketName: "bound" });
    const shown = (await api.call("GET", "workers/scripts/app/settings")).result.bindings;
    assert.deepEqual(shown, [{ type: "r2_bucket", name: "BOX", bucket_name: "bound" }]);
  });
});
