import assert from "node:assert/strict";
import { platformSuite } from "@longshore/testkit";
import { assertHello, busyContainer, helloApp, stateOf } from "./check-hello.js";

const { test } = platformSuite({ images: ["node"] });
const version = "latest";

test("the newest wrangler on a newer Node.js deploys, and finds nothing to do the second time", async (platform) => {
  using app = helloApp("hello");
  await platform.deploy(app.path, { version });
  await assertHello(platform, "hello");

  const [before] = await platform.instances("hello");
  const second = await platform.deploy(app.path, { version });
  assert.match(second.stdout, /no changes/i);
  assert.ok((await platform.instances("hello")).some(({ id, status }) => id === before?.id && status === before.status));
});

test("the newest wrangler lists containers and their instances", async (platform) => {
  using app = helloApp("hello");
  await using busy = await busyContainer(platform, "hello", "listed");
  const wrangler = async (...args: string[]) => {
    const { code, stdout, stderr } = await platform.wrangler(app.path, args, { version });
    assert.equal(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  };
  const [listed] = JSON.parse(await wrangler("containers", "list", "--json")) as { id: string; name: string }[];
  assert.equal(listed?.name, "hello-mycontainer");
  const info = JSON.parse(await wrangler("containers", "info", listed.id)) as { name: string };
  assert.equal(info.name, "hello-mycontainer");
  assert.equal(stateOf(await wrangler("containers", "instances", listed.id, "--json"), busy), "running");
});
