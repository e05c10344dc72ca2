import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { DirectoryBucketReader } from "@longshore/bucket";
import { LongshoreError } from "@longshore/contract";
import { registryAccessIn } from "./services/image-registries.js";
import { Harness, REGISTRY } from "./test-support/harness.js";

const ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
const PASSWORD = "Ringelnatter-4";

describe("other registries", () => {
  let api: Harness;
  let store: string;
  before(async () => {
    api = await Harness.start();
    store = (await api.call("POST", "secrets_store/stores", { name: "main" })).result.id;
  });
  after(() => api[Symbol.asyncDispose]());

  /** What the engine, another process with the same key, finds. */
  const access = (host: string) => registryAccessIn(new DirectoryBucketReader(join(api.directory, "bucket")), api.secretsKey)(host);
  const secret = async (name: string, value: string, scopes = ["containers"]): Promise<string> =>
    (await api.call("POST", `secrets_store/stores/${store}/secrets`, [{ name, value, scopes }])).result[0].id;
  const configure = (domain: string, kind: string, secret_name: string, user = "me") =>
    api.call("POST", "containers/registries", {
      domain,
      is_public: false,
      kind,
      auth: { public_credential: user, private_credential: { store_id: store, secret_name } },
    });

  test("credentials in the Secrets Store, as wrangler puts them: the engine sees them, and each change of the secret", async () => {
    const id = await secret("hub", PASSWORD);
    assert.deepEqual(await access("docker.io"), {});
    const { result } = await configure("docker.io", "DockerHub", "hub");
    assert.deepEqual([result.domain, result.kind, result.public_key], ["docker.io", "DockerHub", "me"]);
    assert.deepEqual(result.private_credential, { store_id: store, secret_name: "hub" });
    assert.deepEqual(await access("docker.io"), { username: "me", password: PASSWORD });
    await api.call("PATCH", `secrets_store/stores/${store}/secrets/${id}`, { value: "next" });
    assert.deepEqual(await access("docker.io"), { username: "me", password: "next" });
    const again = await configure("docker.io", "DockerHub", "hub");
    assert.deepEqual([again.status, JSON.parse(again.errors[0]?.message ?? "").error], [409, "IMAGE_REGISTRY_ALREADY_EXISTS"]);
    await secret("aws", "wJalr");
    await configure(ECR, "ECR", "aws", "AKIDEXAMPLE");
    assert.deepEqual(await access(ECR), { aws: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalr" } });
    await secret("gar", "eyJ0eXBlIjoi");
    await configure("europe-docker.pkg.dev", "GAR", "gar", "x@y.iam");
    assert.deepEqual(await access("europe-docker.pkg.dev"), { username: "_json_key_base64", password: "eyJ0eXBlIjoi" });
    await api.call("DELETE", `secrets_store/stores/${store}/secrets/${id}`);
    await assert.rejects(
      access("docker.io"),
      (error) => error instanceof LongshoreError && error.code === "UNAUTHORIZED" && /"hub"/.test(error.message),
    );
    assert.deepEqual((await api.call("DELETE", "containers/registries/docker.io")).result, {
      domain: "docker.io",
      secrets_store_ref: `${store}:hub`,
    });
    assert.deepEqual(await access("docker.io"), {});
    assert.equal((await api.call("DELETE", "containers/registries/docker.io")).status, 404);
  });

  test("any registry, with a sealed password, certificates and a mirror; what is left out stays; wrangler's credentials join a mirror", async () => {
    const put = (host: string, body: unknown) => api.call("PUT", `containers/registries/${encodeURIComponent(host)}`, body);
    assert.equal((await put("registry.example:5000", { user: "me", secret: PASSWORD, insecure: true })).success, true);
    const shown = (await put("registry.example:5000", { mirror: "mirror.example" })).result;
    assert.deepEqual([shown.has_credentials, shown.insecure, shown.mirror], [true, true, "mirror.example"]);
    await api.restart();
    const all = { username: "me", password: PASSWORD, insecure: true, mirror: "mirror.example" };
    assert.deepEqual(await access("registry.example:5000"), all);
    await put("index.docker.io", { mirror: "mirror.example" });
    await secret("hub2", "p");
    assert.equal((await configure("docker.io", "DockerHub", "hub2")).success, true);
    assert.deepEqual(await access("docker.io"), { username: "me", password: "p", mirror: "mirror.example" });
    const listed = await api.call("GET", "containers/registries");
    assert.doesNotMatch(JSON.stringify(listed) + api.logged.join(), new RegExp(PASSWORD));
    assert.equal(execFileSync("sh", ["-c", `grep -rl '${PASSWORD}' '${api.directory}' || true`], { encoding: "utf8" }), "");
  });

  test("what cannot be is refused with the field, and changes nothing", async () => {
    const before = (await api.call("GET", "containers/registries")).result;
    const said = async (answer: ReturnType<Harness["call"]>) => {
      const { status, errors } = await answer;
      return [status, JSON.parse(errors[0]?.message ?? "").error];
    };
    await secret("workers-only", "p", ["workers"]);
    assert.deepEqual(await said(configure("r.example", "default", "workers-only")), [400, "VALIDATE_INPUT"]);
    assert.deepEqual(await said(configure("r.example", "default", "none")), [400, "VALIDATE_INPUT"]);
    assert.deepEqual(await said(configure(REGISTRY, "default", "gar")), [403, "IMAGE_REGISTRY_NOT_ALLOWED"]);
    for (const [host, body] of [
      ["https://r.example", {}],
      ["r.example", { user: "me" }],
      ["r.example", { ca: "nonsense" }],
      ["r.example", { password: "x" }],
    ] as const)
      assert.deepEqual(await said(api.call("PUT", `containers/registries/${encodeURIComponent(host)}`, body)), [400, "VALIDATE_INPUT"]);
    assert.deepEqual((await api.call("GET", "containers/registries")).result, before);
  });
});
