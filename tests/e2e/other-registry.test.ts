import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type AppDirectory, appDirectory, eventually, type Platform, platformSuite } from "@longshore/testkit";
import { busyboxFiles } from "./busybox-app.js";
import { OtherRegistry } from "./other-registry.js";

const ROLLOUT_DEADLINE_MS = 90_000;

const registry = await OtherRegistry.listen();
// The same registry by a name that it lets nobody in by.
const locked = registry.host.replace("127.0.0.1", "localhost");
const directory = mkdtempSync(join(tmpdir(), "longshore-config-"));
const config = join(directory, "longshore.json");
writeFileSync(join(directory, "password"), "pull\n");
writeFileSync(
  config,
  JSON.stringify({
    registries: {
      [registry.host]: { username: "me", passwordFile: join(directory, "password"), insecure: true },
      [locked]: { insecure: true },
      "docker.io": { mirror: registry.host },
    },
  }),
);
after(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const { test } = platformSuite({ images: [], flags: ["--config", config] });

/** An application whose image nobody builds. */
function appOn(name: string, image: string): AppDirectory {
  const files = busyboxFiles({ name });
  const settings = JSON.parse(files["wrangler.jsonc"] ?? "") as { containers: { image: string }[] };
  for (const container of settings.containers) container.image = image;
  return appDirectory({ files: { "wrangler.jsonc": JSON.stringify(settings), "index.js": files["index.js"] ?? "" } });
}

async function served(platform: Platform, app: string, id: string): Promise<string> {
  return await (await platform.fetch(app, `/${id}/`)).text();
}

test("an image of Docker Hub's by its name: a version keeps what its tag named, and another tag is a rollout", async (platform) => {
  await registry.add("team/web:1", "first version");
  using app = appOn("hub", "docker.io/team/web:1");
  await platform.deploy(app.path);
  assert.equal(await served(platform, "hub", "a"), "first version\n");

  await registry.add("team/web:1", "moved");
  assert.equal(await served(platform, "hub", "b"), "first version\n");
  assert.ok((await platform.instances("hub")).every(({ image }) => /^docker\.io\/team\/web@sha256:[0-9a-f]{64}$/.test(image)));

  await registry.add("team/web:2", "second version");
  app.replace("wrangler.jsonc", "team/web:1", "team/web:2");
  await platform.deploy(app.path);
  await eventually("both containers on the new image", ROLLOUT_DEADLINE_MS, async () => {
    const pages = await Promise.all(["a", "b"].map((id) => served(platform, "hub", id)));
    return pages.every((page) => page === "second version\n") || undefined;
  });
});

test("the newest wrangler, and a registry by its address; a container needs no registry once it is deployed", async (platform) => {
  await registry.add("team/other:1", "by address");
  using app = appOn("address", `${registry.host}/team/other:1`);
  await platform.deploy(app.path, { version: "latest" });
  const before = registry.requests.length;
  assert.equal(await served(platform, "address", "a"), "by address\n");
  assert.equal(registry.requests.length, before);
});

for (const [what, image, message] of [
  ["a tag that is not there", `${registry.host}/team/web:none`, /IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE[\s\S]*no image .*team\/web:none/],
  ["no credentials", `${locked}/team/web:1`, /IMAGE_REGISTRY_RETURNED_ERROR[\s\S]*refuses access to team\/web[\s\S]*credentials/],
  ["nobody there", "127.0.0.1:9/team/web:1", /registry 127\.0\.0\.1:9 cannot be asked[\s\S]*Check that this machine reaches it/],
] as const) {
  test(`refused, with the reason: ${what}`, async (platform) => {
    using app = appOn("refused", image);
    const { code, stdout, stderr } = await platform.wrangler(app.path, ["deploy"]);
    assert.notEqual(code, 0);
    assert.match(`${stdout}${stderr}`, message);
  });
}

test("credentials by command, and in the Secrets Store as wrangler keeps them, count at the next deploy; without them it is refused", async (platform) => {
  await registry.add("team/named:1", "by command");
  using app = appOn("commands", `${locked}/team/named:1`);
  const password = join(directory, "password");
  const add = await platform.succeed(["registry", "add", locked, "--username", "me", "--password-file", password, "--insecure"]);
  assert.match(add.stdout, /user me; insecure/);
  await platform.deploy(app.path);
  assert.equal(await served(platform, "commands", "a"), "by command\n");
  assert.match((await platform.succeed(["registry", "list"])).stdout, new RegExp(locked));
  await platform.succeed(["registry", "remove", locked]);

  await registry.add("team/named:2", "from the store");
  app.replace("wrangler.jsonc", "team/named:1", "team/named:2");
  const refused = await platform.wrangler(app.path, ["deploy"]);
  assert.notEqual(refused.code, 0);
  assert.match(`${refused.stdout}${refused.stderr}`, /refuses access to team\/named[\s\S]*longshore registry add/);
  const call = async (method: string, path: string, body: unknown): Promise<{ id: string }> => {
    const { apiUrl, accountId, token } = platform.presence;
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(`${apiUrl}/accounts/${accountId}${path}`, { method, headers, body: JSON.stringify(body) });
    const answer = (await response.json()) as { success: boolean; result: { id: string } };
    assert.ok(answer.success, JSON.stringify(answer));
    return answer.result;
  };
  const { id } = await call("POST", "/secrets_store/stores", { name: "registries" });
  await call("POST", `/secrets_store/stores/${id}/secrets`, [{ name: "pull", value: "pull", scopes: ["containers"] }]);
  // wrangler itself lets nobody configure a registry that it does not know.
  const auth = { public_credential: "me", private_credential: { store_id: id, secret_name: "pull" } };
  await call("POST", "/containers/registries", { domain: locked, is_public: false, kind: "default", auth });
  await platform.deploy(app.path, { version: "latest" });
  await eventually("the container on the new image", ROLLOUT_DEADLINE_MS, async () => {
    return (await served(platform, "commands", "a")) === "from the store\n" || undefined;
  });
});
