import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { eventually, type Stage, stage } from "./testing/stage.js";

const SLEEP_AFTER_MS = 2000;
/** workerd does so after ten seconds. */
const PUT_AWAY_MS = 12_000;

let on: Stage;
before(async () => {
  on = await stage({ vars: { SLEEP_AFTER: "2s" } });
});
after(() => on[Symbol.asyncDispose]());

async function stopped(object: string): Promise<boolean> {
  return (await on.events(object)).some(({ event }) => event === "stop");
}

/** An open WebSocket to an object's container, and what comes from it: texts, and the lengths of what is binary. */
async function openSocket(on: Stage, object: string): Promise<[WebSocket, Array<string | number>]> {
  const socket = new WebSocket(`${on.worker.url.replace("http", "ws")}/${object}/`);
  const received: Array<string | number> = [];
  socket.on("message", (data: Buffer, isBinary) => received.push(isBinary ? data.length : data.toString()));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return [socket, received];
}

test("an idle container is stopped after sleepAfter, and wakes with a fresh disk", async () => {
  const before = (await (await on.fetch("/PLAIN/sleeper/disk")).json()) as { found: string | null; instance: string };
  assert.equal(before.found, null);
  const idleSince = Date.now();
  assert.equal(((await (await on.fetch("/PLAIN/sleeper/disk")).json()) as { found: string | null }).found, before.instance);
  await eventually(() => stopped("PLAIN/sleeper"));
  assert.ok(Date.now() - idleSince >= SLEEP_AFTER_MS);
  const after = (await (await on.fetch("/PLAIN/sleeper/disk")).json()) as { found: string | null; instance: string };
  assert.equal(after.found, null);
  assert.notEqual(after.instance, before.instance);
});

test("a stream keeps the container awake while it is read, and its chunks come as they are sent", async () => {
  const response = await on.fetch("/PLAIN/stream/sse?count=10&ms=300");
  const writtenAt: number[] = [];
  let firstReadAt: number | undefined;
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      firstReadAt ??= Date.now();
      writtenAt.push((JSON.parse(event.slice(event.indexOf("{"))) as { at: number }).at);
    }
  }
  assert.equal(writtenAt.length, 10);
  assert.ok((firstReadAt ?? Number.NaN) < (writtenAt.at(-1) ?? 0), "the first was read before the last was written");
  assert.equal(await stopped("PLAIN/stream"), false);
  await eventually(() => stopped("PLAIN/stream"));
});

test("a stream that the client gives up does not keep it awake", async () => {
  const response = await on.fetch("/PLAIN/abandoned/sse?count=100&ms=200");
  await response.body?.cancel();
  await eventually(() => stopped("PLAIN/abandoned"));
});

for (const [engine, options] of [
  ["that tells how many are open", {}],
  ["that does not, as Docker", { hold: false }],
] as const) {
  test(`with an engine ${engine}, a WebSocket passes text and binary in order, keeps the container awake, and its close reaches the client`, async () => {
    await using on = await stage({ vars: { SLEEP_AFTER: "2s" }, ...options });
    const [socket, received] = await openSocket(on, "PLAIN/socket");
    for (let index = 0; index < 20; index++) socket.send(index % 2 ? Buffer.alloc(index * 1000) : `text ${index}`);
    await eventually(() => received.length === 20);
    assert.deepEqual(
      received,
      Array.from({ length: 20 }, (_, index) => (index % 2 ? index * 1000 : `text ${index}`)),
    );
    await new Promise((resolve) => setTimeout(resolve, SLEEP_AFTER_MS + 500));
    const { result } = await on.call("PLAIN/socket", "getState");
    assert.equal((result as { inUse: Record<string, number> }).inUse.webSockets, 1);
    const stopped = async () => (await on.events("PLAIN/socket")).some(({ event }) => event === "stop");
    assert.equal(await stopped(), false);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await on.call("PLAIN/socket", "stop");
    assert.equal(await closed, 1001);
    await eventually(stopped);
  });
}

test("WebSockets are counted while they are open, and a silent one outlasts the time after which the runtime puts idle objects away", async () => {
  const object = "PLAIN/silent";
  const [first, received] = await openSocket(on, object);
  const [second] = await openSocket(on, object);
  const uses = async () => ((await on.call(object, "getState")).result as { inUse?: Record<string, number> }).inUse;
  await eventually(async () => (await uses())?.webSockets === 2);
  second.close();
  await eventually(async () => (await uses())?.webSockets === 1);
  await new Promise((resolve) => setTimeout(resolve, PUT_AWAY_MS));
  first.send("still there");
  await eventually(() => received.at(-1) === "still there");
  first.close();
  await eventually(() => stopped(object));
  // The account of the first ones is closed: a new one opens another.
  const [third] = await openSocket(on, object);
  await eventually(async () => (await uses())?.webSockets === 1);
  third.terminate();
  await eventually(async () => (await uses())?.webSockets !== 1);
});

test("requests that follow each other closely keep it awake", async () => {
  let last = { instance: "", at: 0 };
  for (let closely = 0; closely < 8; ) {
    const { instance } = (await (await on.fetch("/PLAIN/busy/")).json()) as { instance: string };
    const next = { instance, at: Date.now() };
    // On a machine that is too busy they may not follow each other closely.
    if (next.at - last.at < SLEEP_AFTER_MS) {
      assert.equal(next.instance, last.instance);
      closely++;
    }
    last = next;
    await new Promise((resolve) => setTimeout(resolve, SLEEP_AFTER_MS / 4));
  }
});

test("after a crash of workerd the container is taken over, kept for sleepAfter, then stopped", async () => {
  const { instance } = (await (await on.fetch("/PLAIN/adopted/")).json()) as { instance: string };
  const mine = on.engine.running().find(({ env }) => env.some((line) => line.endsWith(instance)));
  // It is in use until then.
  await eventually(async () => (await on.fetch("/PLAIN/adopted/")).ok && (await on.hasWritten("PLAIN/adopted")));
  await on.restartWorker();
  assert.equal(mine?.status, "running");
  // Nobody asks for it: the alarm alone must see to it.
  await eventually(() => mine?.status === "exited");
  const again = (await (await on.fetch("/PLAIN/adopted/")).json()) as { instance: string };
  assert.notEqual(again.instance, instance);
});
