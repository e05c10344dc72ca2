import assert from "node:assert/strict";
import { once } from "node:events";
import { eventually } from "@longshore/testkit";
import { rows } from "./row.js";
import type { Subject } from "./side.js";

/** Generous: the published class looks each few seconds, and the machine may be busy. */
const SOON_MS = 60_000;

async function happened(box: Subject, pattern: RegExp, times = 1): Promise<string[]> {
  return await eventually(`${times} of ${pattern}`, SOON_MS, async () => {
    const events = await box.events();
    return events.filter((event) => pattern.test(event)).length >= times ? events : undefined;
  });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const FAILING = { entrypoint: ["node", "-e", "console.log('giving up'); process.exit(3)"] };

/** Starting, stopping, hooks, state. */
export const lifecycleRows = rows("lifecycle", {
  "`onStart` and `onStop` are called once each": async (side) => {
    const box = side.fresh();
    await box.started();
    await box.call("destroy");
    const events = await happened(box, /^stop/);
    await pause(1_000);
    assert.deepEqual(await box.events(), events);
    assert.deepEqual(
      events.map((event) => event.split(" ")[0]),
      ["start", "stop"],
    );
  },
  "variables of a `startAndWaitForPorts`, and `onStart` before the first request": async (side) => {
    const box = side.fresh();
    await box.call("startAndWaitForPorts", { startOptions: { envVars: { MESSAGE: "its own" } } });
    assert.deepEqual(await box.events(), ["start"]);
    assert.equal((await box.send("fetch", "/")).text, "Hello from 8080: its own");
  },
  "variables of a `start`": async (side) => {
    const box = side.fresh();
    await box.call("start", { envVars: { MESSAGE: "its own" } });
    assert.equal((await box.started()).text, "Hello from 8080: its own");
  },
  "`onStart` is called once for a `start` and the request after it": async (side) => {
    const box = side.fresh();
    await box.call("start");
    await box.started();
    await pause(500);
    assert.deepEqual(await box.events(), ["start"]);
  },
  "`start` of a container that runs changes nothing": async (side) => {
    const box = side.fresh();
    const { text } = await box.started("/boot");
    await box.call("start");
    assert.equal((await box.send("fetch", "/boot")).text, text);
  },
  "the state is `healthy` after a request, `stopped` after `stop`": async (side) => {
    const box = side.fresh();
    await box.started();
    assert.equal(await box.status(), "healthy");
    await box.call("stop");
    await eventually("stopped", SOON_MS, async () => (await box.status()) === "stopped" || undefined);
    await happened(box, /^stop 0/);
  },
  "the state says since when": async (side) => {
    const box = side.fresh();
    await box.started();
    const { lastChange } = await box.call<{ lastChange: number }>("getState");
    assert.ok(Math.abs(Date.now() - lastChange) < 60_000);
  },
  "`stop` sends the signal that it is given": async (side) => {
    const box = side.fresh();
    await box.started();
    await box.call("stop", 2);
    await happened(box, /^stop 42/);
  },
  "`onStop` gets code and reason of a program that ends by itself": async (side) => {
    const box = side.fresh();
    await box.started();
    await box.send("fetch", "/exit?code=7");
    assert.deepEqual(await happened(box, /^stop/), ["start", "stop 7 exit"]);
  },
  "and the state has the code, too": async (side) => {
    const box = side.fresh();
    await box.started();
    await box.send("fetch", "/exit?code=7");
    await happened(box, /^stop/);
    const { status, exitCode } = await box.call<{ status: string; exitCode?: number }>("getState");
    assert.deepEqual([status, exitCode], ["stopped_with_code", 7]);
  },
  "`destroy` ends it at once; the next request gets another": async (side) => {
    const box = side.fresh();
    const { text } = await box.started("/boot");
    await box.call("destroy");
    const again = await box.started("/boot");
    assert.equal(again.status, 200);
    assert.notEqual(again.text, text);
  },
  "a request during `stop` is answered by the next container": async (side) => {
    const box = side.fresh();
    const { text } = await box.started("/boot");
    await box.call("stop");
    const { status, text: next } = await box.send("fetch", "/boot");
    assert.equal(status, 200, next);
    assert.notEqual(next, text);
  },
  "the error of a program that ends before it listens says with which code, and what it wrote last": async (side) => {
    const box = side.fresh();
    await assert.rejects(box.call("startAndWaitForPorts", { startOptions: FAILING }), /code 3.*giving up/s);
  },
  "`onError` is called for a container that cannot be started": async (side) => {
    const box = side.fresh();
    await assert.rejects(box.call("startAndWaitForPorts", { startOptions: FAILING }));
    assert.ok((await box.events()).includes("error"));
  },
  "after a start that failed the next one may succeed": async (side) => {
    const box = side.fresh();
    await assert.rejects(box.call("startAndWaitForPorts", { startOptions: FAILING }));
    assert.equal((await box.started()).status, 200);
  },
  "one instance too many is answered with 503 or 429": async (side) => {
    const first = side.fresh("Few");
    await first.started();
    const { status, text } = await side.fresh("Few").send("fetch", "/");
    assert.ok(status === 503 || status === 429, `${status} ${text}`);
  },
  "`schedule` in seconds and for a time calls the method with its payload": async (side) => {
    const box = side.fresh();
    await box.call("schedule", 1, "due", "seconds");
    await box.call("scheduleAt", 1_000);
    await happened(box, /^due seconds/);
    await happened(box, /^due date/);
  },
  "`listSchedules`, `getSchedule`, `deleteSchedules`": async (side) => {
    const box = side.fresh();
    const { taskId } = await box.call<{ taskId: string }>("schedule", 100, "due", "later");
    assert.equal((await box.call<unknown[]>("listSchedules", "due")).length, 1);
    assert.equal((await box.call<{ payload: string }>("getSchedule", taskId)).payload, "later");
    await box.call("deleteSchedules", "due");
    assert.deepEqual(await box.call("listSchedules", "due"), []);
  },
});

/** `sleepAfter`: two seconds, in this class. */
export const idleRows = rows("idleness", {
  "stops when it has been idle for `sleepAfter`": async (side) => {
    const box = side.fresh("Sleepy");
    await box.started();
    await happened(box, /^stop/);
  },
  "also after a `start` without a request": async (side) => {
    const box = side.fresh("Sleepy");
    await box.call("start");
    await happened(box, /^stop/);
  },
  "not while an answer is streamed": async (side) => {
    const { text } = await side.fresh("Sleepy").started("/ticks");
    assert.equal(text.match(/tick/g)?.length, 10);
  },
  "not while a WebSocket is open, though nobody says anything": async (side) => {
    const box = side.fresh("Sleepy");
    await box.started();
    const socket = box.webSocket("/socket");
    const heard: string[] = [];
    socket.on("message", (data) => heard.push(String(data)));
    await once(socket, "open");
    await pause(6_000);
    socket.send("still here?");
    await eventually("the echo", SOON_MS, () => heard.includes("still here?") || undefined);
    socket.close();
  },
  "not while `renewActivityTimeout` is called": async (side) => {
    const box = side.fresh("Sleepy");
    const { text } = await box.started("/boot");
    for (let left = 12; left > 0; left--) {
      await box.call("renewActivityTimeout");
      await pause(500);
    }
    assert.equal((await box.send("fetch", "/boot")).text, text);
  },
  "`onActivityExpired` may let it go on, and is called again": async (side) => {
    const box = side.fresh("Sleepless");
    const { text } = await box.started("/boot");
    await happened(box, /^expired/, 2);
    assert.equal((await box.send("fetch", "/boot")).text, text);
  },
});
