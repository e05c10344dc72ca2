import assert from "node:assert/strict";
import { type AppDirectory, appDirectory, type Platform, platformSuite } from "@longshore/testkit";

const { test } = platformSuite({ images: ["node", "node-alpine"] });

async function wrangler(platform: Platform, app: AppDirectory, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await platform.wrangler(app.path, args);
  assert.equal(code, 0, `wrangler ${args.join(" ")}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Has wrangler make something, and writes its id where the example's configuration leaves room for it. */
async function create(platform: Platform, app: AppDirectory, room: string, ...args: string[]): Promise<string> {
  const [id] = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}/.exec(await wrangler(platform, app, ...args)) ?? [];
  assert.ok(id);
  app.replace("wrangler.jsonc", room, id);
  return id;
}

async function text(platform: Platform, app: string, path: string, init: { method?: string; body?: string } = {}): Promise<string> {
  const response = await platform.fetch(app, path, init);
  return `${response.status} ${await response.text()}`;
}

test("env-vars-and-secrets: a variable, both kinds of secret and a KV value are in each instance's environment", async (platform) => {
  using app = appDirectory({ example: "env-vars-and-secrets" });
  const store = await create(platform, app, "<your-store-id>", "secrets-store", "store", "create", "demo", "--remote");
  const secret = ["secrets-store", "secret", "create", store, "--name", "SECRET_STORE_SECRET", "--value", "from the store"];
  await create(platform, app, "<your-kv-namespace-id>", "kv", "namespace", "create", "DEMO_KV");
  await wrangler(platform, app, ...secret, "--scopes", "workers", "--remote");
  await wrangler(platform, app, "kv", "key", "put", "--binding", "DEMO_KV", "KV_VALUE", "Hello from KV!", "--remote");
  await platform.deploy(app.path);
  app.write("secrets.json", JSON.stringify({ WORKER_SECRET: "from the Worker" }));
  await wrangler(platform, app, "secret", "bulk", "secrets.json");

  const variables = async (instance: string) =>
    JSON.parse((await text(platform, "env-vars-and-secrets", `/${instance}`)).slice(4)) as unknown;
  assert.deepEqual(await variables("default"), { ENV_VAR: "my-env-var", WORKER_SECRET: "from the Worker" });
  assert.equal(await text(platform, "env-vars-and-secrets", "/launch-instances"), "200 Container instances launched");
  const all = { WORKER_SECRET: "from the Worker", SECRET_STORE_SECRET: "from the store", KV_VALUE: "Hello from KV!" };
  assert.deepEqual(await variables("foo"), { ENV_VAR: "my-env-varfoo", ...all });
  assert.deepEqual(await variables("bar"), { ENV_VAR: "my-env-varbar", ...all });
});

test("bindings: a container reads and writes KV, R2, D1 and its own Durable Object by plain HTTP, without the internet", async (platform) => {
  using app = appDirectory({ example: "bindings" });
  await create(platform, app, "<your-kv-namespace-id>", "kv", "namespace", "create", "bindings-kv");
  await create(platform, app, "<your-database-id>", "d1", "create", "widgets");
  app.write("widgets.sql", "CREATE TABLE widgets (name TEXT PRIMARY KEY, size INTEGER); INSERT INTO widgets VALUES ('gear', 42);");
  await wrangler(platform, app, "d1", "execute", "DB", "--remote", "--yes", "--file", "widgets.sql");
  await platform.deploy(app.path);
  const at = (path: string, init?: { method: string; body: string }) => text(platform, "bindings", path, init);

  assert.equal(await at("/kv/color"), "404 not found");
  assert.equal(await at("/kv/color", { method: "PUT", body: "green" }), "200 put");
  assert.equal(await at("/kv/color"), "200 green");
  assert.equal(
    await wrangler(platform, app, "kv", "key", "get", "color", "--binding", "KV", "--remote", "--text").then((out) => out.trim()),
    "green",
  );
  assert.equal(await at("/d1/gear"), "200 42");
  assert.equal(await at("/r2/file.txt", { method: "PUT", body: "content" }), "200 put");
  assert.equal(await at("/r2/file.txt"), "200 content");
  assert.equal(await at("/r2/file.txt?instance=two"), "404 not found");
  assert.equal(await at("/state/step?instance=one", { method: "PUT", body: "3" }), "200 put");
  assert.equal(await at("/state/step?instance=one"), "200 3");
  assert.equal(await at("/state/step?instance=two"), "404 not found", "each container has an object of its own");
});

test("express-walkthrough: as the walkthrough has it, npm install in the Dockerfile included", async (platform) => {
  using app = appDirectory({ example: "express-walkthrough" });
  await platform.deploy(app.path);
  assert.equal(await text(platform, "containers-hello-world", "/"), "200 Hello World");
  const [instance] = await platform.instances("containers-hello-world");
  assert.equal(instance?.status, "running");
});
