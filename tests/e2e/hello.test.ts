import assert from "node:assert/strict";
import { platformSuite } from "@longshore/testkit";
import { assertHello, busyContainer, helloApp, stateOf } from "./check-hello.js";

const { test } = platformSuite({ images: ["node"] });

test("wrangler 4.86 deploys both examples, and all their requests are answered right", async (platform) => {
  using hello = helloApp("hello");
  using published = helloApp("hello-published");
  await Promise.all([platform.deploy(hello.path), platform.deploy(published.path)]);
  await Promise.all([assertHello(platform, "hello"), assertHello(platform, "hello-published")]);
});

test("wrangler sees who it is, and what runs", async (platform) => {
  using app = helloApp("hello");
  const wrangler = async (...args: string[]) => {
    const { code, stdout, stderr } = await platform.wrangler(app.path, args);
    assert.equal(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  };
  assert.match(await wrangler("whoami"), new RegExp(platform.presence.accountId));

  await using busy = await busyContainer(platform, "hello", "listed");
  const list = JSON.parse(await wrangler("containers", "list", "--json")) as { id: string; name: string }[];
  assert.deepEqual(list.map(({ name }) => name).sort(), ["hello-mycontainer", "hello-published-mycontainer"]);
  const id = list.find(({ name }) => name === "hello-mycontainer")?.id ?? "";
  const info = JSON.parse(await wrangler("containers", "info", id)) as { id: string; name: string };
  assert.deepEqual([info.id, info.name], [id, "hello-mycontainer"]);
  assert.equal(stateOf(await wrangler("containers", "instances", id, "--json"), busy), "running");
});

test("a deleted Worker takes its containers with it, and leaves the other's alone", async (platform) => {
  using app = helloApp("hello");
  await using kept = await busyContainer(platform, "hello-published", "kept");
  await platform.fetch("hello", "/container/1");
  assert.ok((await platform.instances("hello")).length > 0);

  const { code, stdout, stderr } = await platform.wrangler(app.path, ["delete", "--force"]);
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(await platform.instances("hello"), []);
  const gone = await platform.fetch("hello", "/container/1");
  assert.equal(gone.status, 404);
  assert.match(await gone.text(), /No Worker is served at hello\.localhost/);
  const still = (await (await platform.fetch("hello-published", "/container/kept")).json()) as { instance: string };
  assert.equal(still.instance, kept.instance);
});
