import assert from "node:assert/strict";
import { eventually, type Platform, platformSuite } from "@longshore/testkit";
import { helloApp } from "./check-hello.js";

const RECOVERY_DEADLINE_MS = 90_000;

const { test } = platformSuite({ images: ["node"], prepare: deployBoth });

async function deployBoth(platform: Platform): Promise<void> {
  await Promise.all([deployTalkative(platform), deployPublished(platform)]);
}

/** The example, with two more things to ask its Durable Objects: a counter in their storage, and what they know of their container. */
async function deployTalkative(platform: Platform): Promise<void> {
  using app = helloApp("hello");
  app.replace("wrangler.jsonc", '"SLEEP_AFTER": "6s"', '"SLEEP_AFTER": "10m"');
  app.replace(
    "src/index.ts",
    "  override onStart() {",
    `  async count() {
    const count = ((await this.ctx.storage.get<number>("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return count;
  }

  override onStart() {`,
  );
  app.replace(
    "src/index.ts",
    '    if (route === "lb")',
    `    const object = env.MY_CONTAINER.getByName(\`/container/\${id}\`);
    if (route === "count") return Response.json(await object.count());
    if (route === "state") return Response.json(await object.getState());
    if (route === "lb")`,
  );
  await platform.deploy(app.path);
}

/** The same example with the published Container class, which knows nothing of engines that restart. */
async function deployPublished(platform: Platform): Promise<void> {
  using app = helloApp("hello-published");
  app.replace("wrangler.jsonc", '"SLEEP_AFTER": "6s"', '"SLEEP_AFTER": "10m"');
  await platform.deploy(app.path);
}

/** What a container and its Durable Object must still have after whatever happened around them. */
interface Life {
  readonly instance: string;
  readonly count: number;
}

async function begin(platform: Platform, id: string): Promise<Life> {
  const { instance, wrote } = (await json(platform, `/container/${id}/disk`)) as { instance: string; wrote: string };
  assert.equal(wrote, instance);
  return { instance, count: Number(await json(platform, `/count/${id}`)) };
}

async function assertSameLife(platform: Platform, id: string, life: Life): Promise<void> {
  const { instance, found } = (await json(platform, `/container/${id}/disk`)) as { instance: string; found: string };
  assert.deepEqual({ instance, found }, { instance: life.instance, found: life.instance });
  assert.equal(await json(platform, `/count/${id}`), life.count + 1);
}

async function json(platform: Platform, path: string): Promise<unknown> {
  const response = await platform.fetch("hello", path);
  const body = await response.text();
  assert.equal(response.status, 200, `${path}: ${body}`);
  return JSON.parse(body);
}

/** Resolves when the edge takes connections again, whatever it answers. */
async function untilEdgeAnswers(platform: Platform): Promise<void> {
  await eventually("an edge that answers", RECOVERY_DEADLINE_MS, () =>
    platform.fetch("hello", "/").then(
      ({ status }) => status === 200 || undefined,
      () => undefined,
    ),
  );
}

test("a killed engine comes back to the same containers; a request meanwhile is answered", async (platform) => {
  const life = await begin(platform, "engine");
  await platform.kill("engine");
  await assertSameLife(platform, "engine", life);
});

test("a killed engine comes back to the same container with the published class, too", async (platform) => {
  const ask = () => platform.fetch("hello-published", "/container/engine/disk").then((response) => response.json());
  const { instance } = (await ask()) as { instance: string };
  await platform.kill("engine");
  const { found } = await eventually("an answer of the container", RECOVERY_DEADLINE_MS, () =>
    ask().then(
      (answer) => answer as { found: string },
      () => undefined,
    ),
  );
  assert.equal(found, instance);
  assert.equal((await platform.instances("hello-published"))[0]?.status, "running");
});

test("a killed workerd comes back to the same containers; a request meanwhile is answered", async (platform) => {
  const life = await begin(platform, "workerd");
  await platform.kill({ workerd: "hello" });
  await assertSameLife(platform, "workerd", life);
});

test("a killed server leaves Workers and containers as they are", async (platform) => {
  const life = await begin(platform, "server");
  const workerd = platform.pid({ workerd: "hello" });
  await platform.kill("server");
  await untilEdgeAnswers(platform);
  assert.equal(platform.pid({ workerd: "hello" }), workerd);
  await assertSameLife(platform, "server", life);
});

test("after a kill of longshore up itself, the next one takes everything over, exit codes included", async (platform) => {
  const life = await begin(platform, "up");
  const { instance: doomed } = await begin(platform, "doomed");
  await platform.killUp();
  const pid = platform.containerPid(doomed);
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGKILL");
  await eventually("the container's end", RECOVERY_DEADLINE_MS, () => platform.containerPid(doomed) === undefined || undefined);

  await platform.upAgain();
  await assertSameLife(platform, "up", life);
  const exit = await eventually(
    "the exit of the killed container",
    RECOVERY_DEADLINE_MS,
    async () => (await platform.instances("hello")).find(({ id }) => id === doomed)?.exit,
  );
  assert.equal(exit.code, 137);
  // Its object starts a new container when it is asked, and has kept its own storage.
  const next = await begin(platform, "doomed");
  assert.notEqual(next.instance, doomed);
  assert.equal(next.count, 2);
});

test("the exit code of a container that ended by itself reaches its object", async (platform) => {
  await begin(platform, "exits");
  await platform.fetch("hello", "/container/exits/crash?code=7");
  await eventually("state with the exit code", RECOVERY_DEADLINE_MS, async () => {
    const { status, exitCode } = (await json(platform, "/state/exits")) as { status: string; exitCode?: number };
    return (status === "stopped_with_code" && exitCode === 7) || undefined;
  });
});

test("after everything was killed at once, deploys and storage are still there, and nothing of before is left", async (platform) => {
  const { count } = await begin(platform, "power");
  const before = (await platform.instances()).filter(({ status }) => status !== "exited");
  assert.ok(before.length > 0);
  await platform.killEverything();

  await platform.upAgain();
  const after = await begin(platform, "power");
  assert.equal(after.count, count + 1);
  assert.ok(before.every(({ id }) => id !== after.instance && platform.containerPid(id) === undefined));
  const running = (await platform.instances()).filter(({ status }) => status !== "exited");
  assert.deepEqual(
    running.map(({ id }) => id),
    [after.instance],
  );
});
