import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { UPLOAD_LIMIT } from "./routes/scripts.js";
import { ACCOUNT, containerForm, Harness, REGISTRY, scriptForm } from "./test-support/harness.js";

const HEX32 = /^[0-9a-f]{32}$/;

describe("the API", () => {
  let harness: Harness;
  before(async () => {
    harness = await Harness.start();
  });
  after(() => harness[Symbol.asyncDispose]());

  test("no token, a wrong token, a wrong account", async () => {
    const wrong = await harness.call("GET", "/user", undefined, "nonsense");
    assert.deepEqual([wrong.status, wrong.success, wrong.errors[0]?.code], [401, false, 9109]);
    assert.match(wrong.errors[0]?.message ?? "", /CLOUDFLARE_API_TOKEN/);
    const none = await fetch(`${harness.url}/accounts`);
    assert.equal(none.status, 401);
    const account = await harness.call("GET", `/accounts/${"f".repeat(32)}/workers/scripts`);
    assert.deepEqual([account.status, account.errors[0]?.code], [403, 10_000]);
    assert.match(account.errors[0]?.message ?? "", new RegExp(ACCOUNT));
  });

  test("what is not served says so in an envelope", async () => {
    for (const [method, path] of [
      ["GET", "r2/catalog"],
      ["PATCH", "workers/scripts"],
      ["GET", "/nonsense"],
    ] as const) {
      const answer = await harness.call(method, path);
      assert.deepEqual([answer.status, answer.success, answer.errors[0]?.code], [404, false, 10_404]);
      assert.match(answer.errors[0]?.message ?? "", new RegExp(`^Longshore does not serve ${method} .* yet\\.$`));
    }
    const containers = await harness.call("GET", "containers/nonsense");
    assert.match(JSON.parse(containers.errors[0]?.message ?? "").details.reason, /does not serve GET/);
    const outside = await fetch(new URL("/", harness.url));
    assert.equal(((await outside.json()) as { success: boolean }).success, false);
  });

  test("every missing script is 10007", async () => {
    for (const path of ["/deployments", "/versions", "/settings", "/secrets", "/subdomain", "/schedules", "/routes", "/references"]) {
      const answer = await harness.call("GET", `workers/scripts/missing${path}`);
      assert.deepEqual([answer.status, answer.errors[0]?.code], [404, 10_007], path);
    }
    for (const name of ["missing", "..", "%2e%2e%2f", "UPPER", "a".repeat(500)]) {
      assert.equal(
        (await harness.call("GET", `workers/services/${encodeURIComponent(name)}`)).errors[0]?.code,
        name === ".." ? 10_404 : 10_007,
        name,
      );
    }
  });

  test("pages end: by an empty page, and by counts", async () => {
    const first = await harness.call("GET", "/accounts?page=1");
    assert.deepEqual(first.result_info, { page: 1, per_page: 100, count: 1, total_count: 1 });
    assert.deepEqual((await harness.call("GET", "/accounts?page=2")).result, []);
    assert.deepEqual((await harness.call("GET", "storage/kv/namespaces?page=1")).result, []);
  });

  test("an upload is a version; its id is the deployment_id without hyphens", async () => {
    const put = await harness.call("PUT", "workers/scripts/first?excludeScript=true", containerForm());
    assert.equal(put.status, 200, JSON.stringify(put));
    assert.match(put.result.deployment_id, HEX32);
    const [version] = (await harness.call("GET", "workers/scripts/first/versions")).result.items;
    assert.equal(version.id.replaceAll("-", ""), put.result.deployment_id);
    const [binding] = version.resources.bindings;
    assert.match(binding.namespace_id, HEX32);
    assert.deepEqual(version.resources.script_runtime.containers, [{ class_name: "Box" }]);
    const namespaces = (await harness.call("GET", "workers/durable_objects/namespaces?per_page=1000")).result;
    assert.deepEqual(namespaces, [{ id: binding.namespace_id, class: "Box", name: "first_Box", script: "first", use_sqlite: true }]);
    const service = (await harness.call("GET", "workers/services/first")).result;
    assert.equal(service.default_environment.script.migration_tag, "v1");
    assert.deepEqual((await harness.call("GET", "workers/workers/first")).result.subdomain, { enabled: false, previews_enabled: false });
  });

  test("a failed check leaves no trace", async () => {
    const objects = await bucketFiles(harness);
    harness.workers.checkFailure = new LongshoreError("INVALID_INPUT", "SyntaxError at index.js:1");
    const answer = await harness.call("PUT", "workers/scripts/first", scriptForm({}, "broken("));
    harness.workers.checkFailure = undefined;
    assert.deepEqual([answer.status, answer.errors[0]?.code], [400, 10_021]);
    assert.match(answer.errors[0]?.message ?? "", /SyntaxError at index\.js:1/);
    assert.deepEqual(await bucketFiles(harness), objects);
  });

  test("when the new version does not come up, the head is the old one again", async () => {
    const before = await harness.call("GET", "workers/scripts/first/deployments");
    harness.workers.applyFailure = new LongshoreError("UNAVAILABLE", "it did not answer");
    assert.equal((await harness.call("PUT", "workers/scripts/first", containerForm({ migrations: undefined }))).status, 503);
    assert.equal((await harness.call("PUT", "workers/scripts/second", scriptForm({}))).status, 503);
    harness.workers.applyFailure = undefined;
    assert.deepEqual((await harness.call("GET", "workers/scripts/first/deployments")).result, before.result);
    assert.equal((await harness.call("GET", "workers/services/second")).status, 404);
    assert.equal((await harness.call("PUT", "workers/scripts/first", containerForm({ migrations: undefined }))).status, 200);
  });

  test("secrets rest encrypted", async () => {
    assert.equal(
      (await harness.call("PUT", "workers/scripts/first/secrets", { name: "PASSWORD", text: "sw0rdf1sh", type: "secret_text" })).status,
      200,
    );
    for (const file of await bucketFiles(harness)) {
      assert.equal((await readFile(file, "utf8")).includes("sw0rdf1sh"), false, file);
    }
    for (const path of ["settings", "secrets", "versions", "secrets/PASSWORD"]) {
      const answer = await harness.call("GET", `workers/scripts/first/${path}`);
      assert.match(JSON.stringify(answer), /PASSWORD/);
      assert.doesNotMatch(JSON.stringify(answer), /sw0rdf1sh|sealed/);
    }
    assert.equal((await harness.call("DELETE", "workers/scripts/first/secrets/NOPE")).errors[0]?.code, 10_056);
  });

  test("a secret does not take the name of another binding", async () => {
    const answer = await harness.call("PUT", "workers/scripts/first/secrets", { name: "BOX", text: "x", type: "secret_text" });
    assert.equal(answer.status, 409);
  });

  test("traffic is not split", async () => {
    const [a, b] = (await harness.call("GET", "workers/scripts/first/versions")).result.items;
    const versions = [
      { version_id: a.id, percentage: 50 },
      { version_id: b.id, percentage: 50 },
    ];
    assert.equal((await harness.call("POST", "workers/scripts/first/deployments", { strategy: "percentage", versions })).status, 422);
    const missing = [{ version_id: "00000000-0000-4000-8000-00000000000a", percentage: 100 }];
    const answer = await harness.call("POST", "workers/scripts/first/deployments", { strategy: "percentage", versions: missing });
    assert.deepEqual([answer.status, answer.errors[0]?.code], [404, 100_146]);
  });

  test("an upload that is too large gets an answer", async () => {
    const answer = await harness.call("PUT", "workers/scripts/big", scriptForm({}, "/".repeat(UPLOAD_LIMIT)));
    assert.deepEqual([answer.status, answer.errors[0]?.code], [413, 10_027]);
  });

  test("cron triggers: none, and some", async () => {
    assert.deepEqual((await harness.call("PUT", "workers/scripts/first/schedules", [])).result, { schedules: [] });
    const { result } = await harness.call("PUT", "workers/scripts/first/schedules", [{ cron: "* * * * *" }, { cron: "0 1 * * *" }]);
    assert.deepEqual(
      result.schedules.map(({ cron }: { cron: string }) => cron),
      ["* * * * *", "0 1 * * *"],
    );
    assert.deepEqual(harness.workers.running.get("first")?.crons, ["* * * * *", "0 1 * * *"]);
    assert.deepEqual((await harness.call("GET", "workers/scripts/first/schedules")).result, result);
    assert.deepEqual((await harness.call("PUT", "workers/scripts/first/schedules", [])).result, { schedules: [] });
  });

  test("registry credentials", async () => {
    const body = { permissions: ["push", "pull", "library_push"], expiration_minutes: 5 };
    const answer = await harness.call("POST", `containers/registries/${REGISTRY}/credentials`, body);
    assert.deepEqual(answer.result, {
      account_id: ACCOUNT,
      registry_host: REGISTRY,
      username: "v1",
      password: "password for push+pull for 5 minutes",
    });
    const other = await harness.call("POST", "containers/registries/docker.io/credentials", body);
    assert.equal(JSON.parse(other.errors[0]?.message ?? "").error, "IMAGE_REGISTRY_NOT_FOUND");
  });

  test("fuzz: no bad input is a failure of the server", async () => {
    const bodies = [
      "",
      "{",
      "null",
      "[]",
      "[null]",
      "1",
      '"x"',
      "{}",
      '{"a":{"__proto__":1}}',
      '{"secrets":{"a":1}}',
      '{"name":5}',
      '{"steps":[{}]}',
    ];
    const targets = [
      ["PUT", "workers/scripts/first"],
      ["PUT", "workers/scripts/.x"],
      ["POST", "workers/scripts/first/versions"],
      ["POST", "workers/scripts/first/deployments"],
      ["PATCH", "workers/scripts/first/settings"],
      ["PATCH", "workers/scripts/first/script-settings"],
      ["PUT", "workers/scripts/first/secrets"],
      ["PATCH", "workers/scripts/first/secrets-bulk"],
      ["POST", "workers/scripts/first/subdomain"],
      ["PUT", "workers/scripts/first/routes"],
      ["PUT", "workers/scripts/first/domains/records"],
      ["POST", "workers/scripts/first/domains/changeset"],
      ["PATCH", "workers/workers/first"],
      ["PUT", "workers/scripts/first/schedules"],
      ["POST", "containers/applications"],
      ["PATCH", "containers/applications/x"],
      ["POST", "containers/applications/x/rollouts"],
      ["POST", "containers/applications/x/rollouts/y"],
      ["POST", `containers/registries/${REGISTRY}/credentials`],
      ["GET", "workers/scripts/first/versions/%ff%2e"],
      ["GET", "containers/dash/applications?per_page=-1&page_token=x"],
    ] as const;
    for (const [method, path] of targets) {
      for (const body of method === "GET" ? [undefined] : bodies) {
        const answer = await harness.call(method, path, body);
        assert.ok(answer.status < 500, `${method} ${path} ${body}: ${JSON.stringify(answer)}`);
        assert.equal(typeof answer.success, "boolean");
      }
    }
    for (const type of ["multipart/form-data", "multipart/form-data; boundary=x"]) {
      const response = await fetch(`${harness.url}/accounts/${ACCOUNT}/workers/scripts/first`, {
        method: "PUT",
        headers: { authorization: "Bearer test-token", "content-type": type },
        body: "--x\r\nnonsense",
      });
      assert.equal(response.status, 400);
    }
  });
});

async function bucketFiles(harness: Harness): Promise<string[]> {
  const entries = await readdir(join(harness.directory, "bucket"), { recursive: true, withFileTypes: true });
  return entries
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name))
    .sort();
}
