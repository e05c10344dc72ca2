import assert from "node:assert/strict";
import { type AppDirectory, eventually, type Platform, platformSuite } from "@longshore/testkit";
import { helloApp } from "./check-hello.js";
import { Load, type LoadReport, type Shot } from "./load.js";
import { download, upload, webSocket } from "./long-requests.js";

const CLIENTS = 8;
/** Containers that the load goes to. */
const CONTAINERS = ["a", "b", "c", "d"];
/** Requests before the deploy begins and after it has ended, so that both sides are under load. */
const BEFORE_AND_AFTER = 200;
const ROLLOUT_DEADLINE_MS = 90_000;
/** What takes long ends by itself before the drain deadline; building and uploading take a part of it. */
const DRAIN_SECONDS = 12;
const LONG_MS = 9_000;
/** Longer than anybody is held for what takes long. */
const HELD_MS = 10_000;

const { test } = platformSuite({ images: ["node"], flags: ["--drain", String(DRAIN_SECONDS)] });

test("a deploy of new code and a new image fails no request; uploads and downloads under way end whole, a WebSocket has its time", async (platform) => {
  using app = helloApp("hello");
  await platform.deploy(app.path);
  const path = `/container/${CONTAINERS[0]}`;
  await platform.fetch("hello", path);
  const socket = await webSocket(platform, "hello", path);
  let switchedAt = Number.POSITIVE_INFINITY;
  const ended = Promise.all([upload(platform, "hello", `${path}/echo`, LONG_MS), download(platform, "hello", `${path}/sse`, LONG_MS)]).then(
    (problems) => ({ problems, at: performance.now() }),
  );
  await socket.echoed();
  const report = await redeployUnderLoad(platform, app, "hello", () => {
    switchedAt = performance.now();
  });
  const { problems, at } = await ended;
  assert.deepEqual(problems, [undefined, undefined]);
  assert.ok(at < switchedAt, "the deploy waited for them");
  assert.ok((await socket.closed) < switchedAt, "the WebSocket was ended before the new version answered");
  assert.deepEqual(report.failures, []);
  assert.ok(report.maxMs < HELD_MS, `a request took ${report.maxMs} ms`);
});

test("nor with the published Container class", async (platform) => {
  using app = helloApp("hello-published");
  await platform.deploy(app.path);
  const report = await redeployUnderLoad(platform, app, "hello-published");
  assert.deepEqual(report.failures, []);
});

async function redeployUnderLoad(
  platform: Platform,
  app: AppDirectory,
  name: string,
  deployed: () => void = () => undefined,
): Promise<LoadReport> {
  const load = new Load(platform, name, CLIENTS, shot);
  try {
    await requests(load, BEFORE_AND_AFTER);
    app.replace("../hello/src/index.ts", "const ROUTES = `", "const ROUTES = `Second version.\n");
    app.replace("../hello/container/server.js", "pid: process.pid,", 'pid: process.pid,\n    image: "second",');
    await platform.deploy(app.path);
    deployed();
    assert.match(await (await platform.fetch(name, "/")).text(), /^Second version\./);
    await eventually("every container on the new image", ROLLOUT_DEADLINE_MS, async () => {
      const answers = await Promise.all(CONTAINERS.map(async (id) => await (await platform.fetch(name, `/container/${id}`)).text()));
      return answers.every((answer) => answer.includes('"image": "second"')) || undefined;
    });
    await requests(load, load.requests + BEFORE_AND_AFTER);
  } finally {
    const { requests: total, maxMs, failures } = await load.stop();
    console.log(`${name}: ${total} requests during the deploy, ${failures.length} failed, the slowest took ${maxMs} ms`);
  }
  return await load.stop();
}

/** Mostly requests to containers, a third of them with a body; the Worker itself answers the rest. */
function shot(client: number, turn: number): Shot {
  const id = CONTAINERS[(client + turn) % CONTAINERS.length];
  if (turn % 3 === 0) {
    const body = `${client} sends ${turn}`;
    return { method: "POST", path: `/container/${id}/echo`, body, wrong: (answer) => (answer === body ? undefined : `echoed ${answer}`) };
  }
  if (turn % 7 === 0) return { method: "GET", path: "/", wrong: (answer) => (answer.includes("/container/<id>") ? undefined : answer) };
  const path = `/container/${id}/load`;
  return { method: "GET", path, wrong: (answer) => (answer.includes(`"path": "${path}"`) ? undefined : answer) };
}

async function requests(load: Load, count: number): Promise<void> {
  await eventually(`${count} requests`, ROLLOUT_DEADLINE_MS, () => load.requests >= count || undefined);
}
