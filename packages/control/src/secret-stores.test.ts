import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { Harness, scriptForm } from "./test-support/harness.js";

const SECRET = "Kreuzotter-17";

describe("the Secrets Store", () => {
  let api: Harness;
  let at: string;
  let store: string;
  before(async () => {
    api = await Harness.start();
    store = (await api.call("POST", "secrets_store/stores", { name: "main" })).result.id;
    at = `secrets_store/stores/${store}/secrets`;
  });
  after(() => api[Symbol.asyncDispose]());

  const create = async (name: string, value: string, scopes = ["workers"]) =>
    (await api.call("POST", at, [{ name, value, scopes, comment: "c" }])).result?.[0];

  test("stores and secrets: created, listed, searched, copied, changed, deleted; they outlive a restart", async () => {
    assert.equal((await api.call("POST", "secrets_store/stores", { name: "main" })).status, 409);
    const secret = await create("one", SECRET);
    assert.deepEqual(
      [secret.store_id, secret.name, secret.comment, secret.scopes, secret.status],
      [store, "one", "c", ["workers"], "active"],
    );
    assert.equal((await api.call("POST", at, [{ name: "one", value: "x", scopes: ["workers"] }])).status, 409);
    await api.restart();
    assert.equal(await api.control.readSecret(store, "one"), SECRET);
    const copied = await api.call("POST", `${at}/${secret.id}/duplicate`, { name: "two", scopes: ["workers"], comment: "" });
    assert.equal(copied.result.name, "two");
    await api.call("PATCH", `${at}/${secret.id}`, { value: "other", comment: "changed" });
    assert.deepEqual([await api.control.readSecret(store, "one"), await api.control.readSecret(store, "two")], ["other", SECRET]);
    const names = async (query: string) => (await api.call("GET", `${at}?${query}`)).result.map((each: { name: string }) => each.name);
    assert.deepEqual([await names(""), await names("search=two"), await names("per_page=1&page=3")], [["one", "two"], ["two"], []]);
    await api.call("PATCH", `${at}/${secret.id}`, { scopes: ["containers"] });
    assert.equal(await api.control.readSecret(store, "one"), undefined, "not for Workers any more");
    assert.equal((await api.call("DELETE", `${at}/${secret.id}`)).success, true);
    assert.equal((await api.call("GET", `${at}/${secret.id}`)).status, 404);
    assert.equal(await api.control.readSecret(store, "../../script-heads/x"), undefined);
  });

  test("a value is in no answer, no log and no file", async () => {
    const value = `${SECRET}-hidden`;
    const { id } = await create("hidden", value);
    for (const answer of [
      await api.call("GET", at),
      await api.call("GET", `${at}/${id}`),
      await api.call("PATCH", `${at}/${id}`, { comment: "x" }),
    ])
      assert.doesNotMatch(JSON.stringify(answer), new RegExp(value));
    assert.equal((await api.call("POST", at, [{ name: "a b", value, scopes: ["workers"] }])).errors[0]?.message.includes(value), false);
    assert.doesNotMatch(api.logged.join("\n"), new RegExp(value));
    const found = execFileSync("sh", ["-c", `grep -r -l '${value}' '${api.directory}' || true`], { encoding: "utf8" });
    assert.equal(found, "");
  });

  test("bad input changes nothing", async () => {
    const before = (await api.call("GET", at)).result;
    for (const body of [
      [],
      {},
      [{ name: "x" }],
      [{ name: "../x", value: "v", scopes: ["workers"] }],
      [{ name: "x", value: "", scopes: ["workers"] }],
    ])
      assert.equal((await api.call("POST", at, body)).status, 400, JSON.stringify(body));
    assert.equal((await api.call("POST", at, [{ name: "x", value: "v".repeat(65_537), scopes: ["workers"] }])).status, 400);
    const twice = [{ name: "x", value: "v", scopes: ["workers"] }];
    assert.equal((await api.call("POST", at, [...twice, ...twice])).status, 409);
    assert.equal((await api.call("GET", "secrets_store/stores/..%2Fx/secrets")).status, 404);
    assert.deepEqual((await api.call("GET", at)).result, before);
  });

  test("a binding must name a secret that Workers may read; it is shown as clients know it", async () => {
    await create("bound", "v");
    await create("foreign", "v", ["containers"]);
    const deploy = (secret_name: string) =>
      api.call(
        "PUT",
        "workers/scripts/app",
        scriptForm({ bindings: [{ type: "secrets_store_secret", name: "S", store_id: store, secret_name }] }),
      );
    for (const [name, why] of [
      ["none", /is not there\. Run `wrangler secrets-store secret create/],
      ["foreign", /not in the scope of Workers/],
    ] as const) {
      const refused = await deploy(name);
      assert.deepEqual([refused.status, refused.errors[0]?.code], [400, 10_021]);
      assert.match(refused.errors[0]?.message ?? "", why);
    }
    assert.equal((await deploy("bound")).success, true);
    assert.deepEqual(api.workers.binding("app", "S"), { type: "secrets_store_secret", name: "S", storeId: store, secretName: "bound" });
    const shown = (await api.call("GET", "workers/scripts/app/settings")).result.bindings;
    assert.deepEqual(shown, [{ type: "secrets_store_secret", name: "S", store_id: store, secret_name: "bound" }]);
  });

  test("a store goes with all its secrets", async () => {
    assert.equal((await api.call("DELETE", `secrets_store/stores/${store}`)).success, true);
    assert.equal((await api.call("GET", at)).status, 404);
    assert.equal(await api.control.readSecret(store, "bound"), undefined);
    assert.deepEqual((await api.call("GET", "secrets_store/stores")).result, []);
  });
});
