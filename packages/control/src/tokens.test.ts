import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { needOf } from "./api/scope-table.js";
import { ACCOUNT, Harness, REGISTRY, scriptForm } from "./test-support/harness.js";

/** Come before the account's token is asked for: what they are called with is a token of its own. */
const OWN_TOKENS = ["/accounts/:account/workers/assets/upload", "/d1-transfers/:token"];

describe("API tokens", () => {
  let harness: Harness;
  before(async () => {
    harness = await Harness.start();
    await harness.call("PUT", "workers/scripts/first", scriptForm({}));
  });
  after(() => harness[Symbol.asyncDispose]());

  const create = async (...scopes: string[]): Promise<{ id: string; value: string }> => {
    const answer = await harness.call("POST", "tokens", { name: scopes.join("+"), scopes });
    assert.equal(answer.status, 201, JSON.stringify(answer));
    return answer.result;
  };

  test("every route says which scope it asks for", async () => {
    const routes = (await harness.routes()).filter(({ method, path }) => method !== "ALL" || !path.endsWith("/*"));
    assert.ok(routes.length > 50);
    const missing = routes
      .map(({ method, path }) => ({ method, path: path.replace("/client/v4", "") }))
      .filter(({ method, path }) => needOf(method, path) === undefined && !OWN_TOKENS.includes(path));
    assert.deepEqual(missing, [], "add them to scope-table.ts");
    assert.equal(needOf("GET", "/accounts/:account/new/thing"), undefined);
    assert.equal(needOf("POST", "/user"), undefined, "only what is listed is anybody's");
  });

  test("a token may do what its scopes say, and is told which one it lacks", async () => {
    const allowed: Record<string, [string, string][]> = {
      "workers:read": [["GET", "workers/scripts"]],
      "kv:write": [["GET", "storage/kv/namespaces"]],
      "d1:read": [["GET", "d1/database"]],
      "containers:read": [
        ["GET", "containers/me"],
        ["GET", "containers/applications"],
      ],
      "tail:read": [["POST", "workers/scripts/first/tails"]],
      "tokens:read": [["GET", "tokens"]],
    };
    for (const scope of Object.keys(allowed)) {
      const { value } = await create(scope);
      for (const [owner, requests] of Object.entries(allowed)) {
        for (const [method, path] of requests) {
          const answer = await harness.call(method, path, method === "POST" ? {} : undefined, value);
          assert.equal(answer.status, owner === scope ? 200 : 403, `${scope}: ${method} ${path}`);
          if (owner === scope) continue;
          assert.equal(answer.errors[0]?.code, 10_000);
          assert.match(answer.errors[0]?.message ?? "", /lacks the scope/);
        }
      }
    }
  });

  test("reading is not writing", async () => {
    const { value } = await create("all:read");
    assert.equal((await harness.call("GET", "workers/scripts", undefined, value)).status, 200);
    for (const [method, path, body] of [
      ["PUT", "workers/scripts/second", scriptForm({})],
      ["PUT", "workers/scripts/first/secrets", { name: "A", text: "a" }],
      ["DELETE", "workers/scripts/first"],
      ["POST", "storage/kv/namespaces", { title: "x" }],
      ["POST", "d1/database", { name: "x" }],
      ["GET", "containers/instances/00000000-0000-4000-8000-00000000000a/ssh"],
      ["POST", "tokens", { name: "more", scopes: ["all:read"] }],
      ["DELETE", `tokens/${"0".repeat(32)}`],
    ] as const) {
      assert.equal((await harness.call(method, path, body, value)).status, 403, `${method} ${path}`);
    }
    assert.equal((await harness.call("GET", "workers/services/second")).status, 404);
    assert.equal((await harness.call("GET", "nothing/here", undefined, value)).status, 404);
  });

  test("no token makes one that may do more than itself", async () => {
    const { value } = await create("tokens:write", "kv:read");
    const made = await harness.call("POST", "tokens", { name: "less", scopes: ["kv:read"] }, value);
    assert.equal(made.status, 201);
    for (const scopes of [["kv:write"], ["all:read"], ["deploy"], ["kv:read", "d1:read"]]) {
      assert.equal((await harness.call("POST", "tokens", { name: "more", scopes }, value)).status, 403, scopes.join());
    }
    for (const body of [
      {},
      { name: "", scopes: ["all"] },
      { name: "x", scopes: [] },
      { name: "x", scopes: ["kv:own"] },
      { name: "x", scopes: ["kv"] },
    ]) {
      assert.equal((await harness.call("POST", "tokens", body)).status, 400, JSON.stringify(body));
    }
    const past = await harness.call("POST", "tokens", { name: "x", scopes: ["all"], expires_on: "2001-01-01T00:00:00Z" });
    assert.equal(past.status, 400);
  });

  test("a token says what it is, until it is revoked or expires", async () => {
    const { id, value } = await create("kv:read");
    const verified = await harness.call("GET", "/user/tokens/verify", undefined, value);
    assert.deepEqual(verified.result, { id, status: "active", name: "kv:read", scopes: ["kv:read"] });
    assert.equal((await harness.call("GET", "/user", undefined, value)).result.email, "kv-read@longshore.invalid");
    assert.deepEqual((await harness.call("GET", "/memberships", undefined, value)).result[0].roles, ["kv:read"]);
    assert.equal((await harness.call("GET", `tokens/${id}`)).result.id, id);
    for (const wrong of [
      `${value.slice(0, -1)}${value.endsWith("A") ? "B" : "A"}`,
      `ls_${id}_`,
      value.replace(id, "0".repeat(32)),
      `${value}x`,
    ]) {
      assert.equal((await harness.call("GET", "/user", undefined, wrong)).status, 401, wrong);
    }
    assert.equal((await harness.call("DELETE", `tokens/${id}`)).status, 200);
    assert.equal((await harness.call("GET", "/user", undefined, value)).status, 401);
    assert.equal((await harness.call("DELETE", `tokens/${id}`)).status, 404);

    const soon = await harness.call("POST", "tokens", {
      name: "short",
      scopes: ["kv:read"],
      expires_on: new Date(Date.now() + 600_000).toISOString(),
    });
    harness.aheadMs = 600_001;
    assert.equal((await harness.call("GET", "/user", undefined, soon.result.value)).status, 401);
    const listed = (await harness.call("GET", "tokens")).result as { id: string; status: string }[];
    assert.equal(listed.find((each) => each.id === soon.result.id)?.status, "expired");
    harness.aheadMs = 0;
  });

  test("the right to push needs the scope, the right to pull does not", async () => {
    const { value } = await create("registry:read");
    const ask = (...permissions: string[]) =>
      harness.call("POST", `containers/registries/${REGISTRY}/credentials`, { permissions, expiration_minutes: 5 }, value);
    assert.equal((await ask("pull")).status, 200);
    assert.equal((await ask("push", "pull")).status, 403);
    assert.equal((await ask("library_push")).status, 403);
  });

  test("what rests of a token opens nothing", async () => {
    const { id, value } = await create("all:write");
    const directory = join(harness.directory, "bucket");
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    const hash = createHash("sha256").update(value).digest();
    let seen = 0;
    for (const file of files.filter((each) => each.isFile())) {
      const text = await readFile(join(file.parentPath, file.name), "latin1");
      if (text.includes(id)) seen++;
      for (const secret of [value, value.slice(36), hash.toString("hex"), hash.toString("base64url"), hash.toString("latin1")]) {
        assert.ok(!text.includes(secret), file.name);
      }
    }
    assert.equal(seen, 1);
    const list = JSON.stringify(await harness.call("GET", "tokens"));
    assert.ok(list.includes(id) && !list.includes(value.slice(36)) && !list.includes("seal"));
    assert.ok(!harness.logged.join("\n").includes(value.slice(36)));
    assert.equal((await harness.call("GET", `/accounts/${ACCOUNT}`, undefined, hash.toString("hex"))).status, 401);
  });
});
