import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { eventually, type Stage, stage } from "../testing/stage.js";
import type { RouteOptions } from "./plan.js";

const SCRIPT = fileURLToPath(new URL("../../src/testing/workers/route.js", import.meta.url));
const OPTIONS: RouteOptions = { min: 1, max: 20, concurrency: 2 };

let on: Stage;
before(async () => {
  on = await stage({ script: SCRIPT, classes: { Pool: "hello", Stubborn: "hello" }, vars: { SLEEP_AFTER: "2s" } });
});
after(() => on[Symbol.asyncDispose]());

function path(what: string, options: RouteOptions = OPTIONS): string {
  return `/pool${what}${what.includes("?") ? "&" : "?"}options=${encodeURIComponent(JSON.stringify(options))}`;
}

async function instance(options?: RouteOptions): Promise<string> {
  const response = await on.fetch(path("/", options));
  assert.equal(response.status, 200, await response.clone().text());
  return ((await response.json()) as { instance: string }).instance;
}

/** A request whose answer's body stays open until it is cancelled. */
async function held(options?: RouteOptions): Promise<() => Promise<void>> {
  const response = await on.fetch(path("/sse?count=10000&ms=200", options));
  assert.equal(response.status, 200);
  return async () => response.body?.cancel();
}

test("one request after the other: one instance; forty at once: twenty; and back to one, which is always awake", async () => {
  const first = await instance();
  for (let round = 0; round < 5; round++) assert.equal(await instance(), first);
  assert.equal(on.engine.running().length, 1);

  const streams = await Promise.all(Array.from({ length: 40 }, () => held()));
  assert.equal(on.engine.running().length, 20);
  assert.equal(on.engine.created, 20);
  assert.deepEqual(await (await on.fetch("/most")).json(), { most: 2, instances: 20 });

  const late = held();
  await on.fetch("/most");
  await streams.pop()?.();
  streams.push(await late);

  const refused = await on.fetch(path("/", { ...OPTIONS, queueMs: 50 }));
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("x-container-error"), "NO_CAPACITY");
  assert.equal(refused.headers.get("retry-after"), "1");

  await Promise.all(streams.map((cancel) => cancel()));
  const seen = new Set<string>();
  // Someone always asks for something: that must not keep twenty awake.
  await eventually(async () => {
    seen.add(await instance());
    return on.engine.running().length === 1;
  });
  assert.deepEqual(await (await on.fetch("/most")).json(), { most: 2, instances: 20 });
  // Nobody asks any more: it stays awake for longer than sleepAfter.
  await new Promise((resolve) => setTimeout(resolve, 5000));
  assert.equal(on.engine.running().length, 1);
  assert.equal(await instance(), first);
});

test("a WebSocket keeps its place until it is closed; a client that is gone gives its place back", async () => {
  const options = { max: 1, concurrency: 1, queueMs: 1000 };
  const socket = new WebSocket(`${on.worker.url.replace("http", "ws")}${path("/", options)}`);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  assert.equal((await on.fetch(path("/", options))).status, 503);
  socket.terminate();
  await eventually(async () => (await on.fetch(path("/", options))).status === 200);
  const controller = new AbortController();
  const stream = await on.fetch(path("/sse?count=10000&ms=200", options), { signal: controller.signal });
  assert.equal(stream.status, 200);
  assert.equal((await on.fetch(path("/", options))).status, 503);
  controller.abort();
  await eventually(async () => (await on.fetch(path("/", options))).status === 200);
});

test("where the platform lets no more run, those that run take the requests", async () => {
  await instance({ max: 3, concurrency: 1 });
  on.engine.refuse = { code: "LIMIT_REACHED", message: "There are as many instances as may be." };
  const release = await held({ max: 3, concurrency: 1 });
  const waiting = instance({ max: 3, concurrency: 1 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await release();
  await waiting;
  on.engine.refuse = undefined;
});

test("where it lets none run, that is said, and nobody waits for what will not be", async () => {
  on.engine.refuse = { code: "LIMIT_REACHED", message: "There are as many instances as may be." };
  const refused = await on.fetch(path("/", { max: 7, queueMs: 3_600_000 }).replace("pool", "stubborn"));
  assert.deepEqual([refused.status, refused.headers.get("x-container-error")], [503, "LIMIT_REACHED"]);
  on.engine.refuse = undefined;
});

test("instances that their class does not put to sleep are found again, though no other may be started", async () => {
  const options = { max: 3, concurrency: 1 };
  const stubborn = async () =>
    (await (await on.fetch(path("/slow?ms=500", options).replace("pool", "stubborn"))).json()) as { instance: string };
  // The platform has just refused one of this class.
  await eventually(async () => (await on.fetch(path("/", options).replace("pool", "stubborn"))).status === 200);
  const instances = await Promise.all([stubborn(), stubborn(), stubborn()]);
  assert.equal(new Set(instances.map(({ instance }) => instance)).size, 3);
  const running = on.engine.running();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  for (const container of running) assert.equal(container.status, "running");
  // The first that would be used.
  const first = running.find(({ env }) => env.some((line) => line.endsWith((instances.find(Boolean) as { instance: string }).instance)));
  first?.kill("SIGKILL");
  await first?.exited;
  on.engine.refuse = { code: "LIMIT_REACHED", message: "There are as many instances as may be." };
  for (let round = 0; round < 3; round++) {
    const answer = await on.fetch(path("/", options).replace("pool", "stubborn"));
    assert.equal(answer.status, 200, await answer.text());
  }
  on.engine.refuse = undefined;
});

test("options that make no sense are refused", async () => {
  const answer = await on.fetch(path("/", { max: 0 }));
  assert.match(await answer.text(), /TypeError.*max is 0/);
});
