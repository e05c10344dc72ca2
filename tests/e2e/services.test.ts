import assert from "node:assert/strict";
import { type AppDirectory, appDirectory, eventually, platformSuite } from "@longshore/testkit";

const { test } = platformSuite();

const CALLERS = 4;
const BASE = { main: "index.js", compatibility_date: "2026-04-01" };

function calledApp(marker: string): AppDirectory {
  const code = `import { WorkerEntrypoint } from "cloudflare:workers";
export class Admin extends WorkerEntrypoint { who() { return this.ctx.props.role + " ${marker}"; } }
export default class extends WorkerEntrypoint {
  add(a, b) { return a + b; }
  fetch(request) { return new Response("${marker} " + new URL(request.url).pathname); }
}`;
  return appDirectory({ files: { "wrangler.jsonc": JSON.stringify({ ...BASE, name: "called" }), "index.js": code } });
}

function callerApp(): AppDirectory {
  const services = [
    { binding: "API", service: "called" },
    { binding: "ADMIN", service: "called", entrypoint: "Admin", props: { role: "owner" } },
  ];
  const code = `export default { async fetch(request, env) {
  if (new URL(request.url).pathname !== "/all") return env.API.fetch(request);
  return new Response([await env.API.add(1, 2), await env.ADMIN.who()].join(" "));
} };`;
  return appDirectory({ files: { "wrangler.jsonc": JSON.stringify({ ...BASE, name: "caller", services }), "index.js": code } });
}

test("a binding to a Worker that is not there is refused; with it, methods and fetch reach it", async (platform) => {
  using caller = callerApp();
  const early = await platform.wrangler(caller.path, ["deploy"]);
  assert.notEqual(early.code, 0);
  assert.match(`${early.stdout}${early.stderr}`, /Binding "API" is to the Worker "called", which is not there.*Deploy that one first/);
  using called = calledApp("one");
  await platform.deploy(called.path);
  await platform.deploy(caller.path);
  assert.equal(await (await platform.fetch("caller", "/all")).text(), "3 owner one");
  assert.equal(await (await platform.fetch("caller", "/x")).text(), "one /x");
});

test("deploys of the called Worker fail none of its caller's requests; killed, both come back", async (platform) => {
  let going = true;
  const answers = new Map<string, number>();
  const loops = Array.from({ length: CALLERS }, async () => {
    while (going) {
      const response = await platform.fetch("caller", "/all");
      const text = `${response.status} ${await response.text()}`;
      answers.set(text, (answers.get(text) ?? 0) + 1);
    }
  });
  try {
    for (const [marker, version] of [
      ["two", "latest"],
      ["three", undefined],
    ] as const) {
      using called = calledApp(marker);
      await platform.deploy(called.path, version === undefined ? {} : { version });
      assert.match(await (await platform.fetch("caller", "/all")).text(), new RegExp(marker));
    }
  } finally {
    going = false;
    await Promise.all(loops);
  }
  console.log(`calls while the called Worker was deployed twice: ${JSON.stringify([...answers])}`);
  assert.deepEqual([...answers.keys()].sort(), ["200 3 owner one", "200 3 owner three", "200 3 owner two"]);
  for (const workerd of ["called", "caller"]) {
    await platform.kill({ workerd });
    assert.equal(await (await platform.fetch("caller", "/all")).text(), "3 owner three");
  }
  await platform.kill("server");
  const after = await eventually("an answer of the next server", 60_000, () => platform.fetch("caller", "/all").catch(() => undefined));
  assert.equal(await after.text(), "3 owner three");
});
