import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { request } from "undici";
import { lateAt } from "./readiness.js";
import { eventually, IMAGES, type Stage, stage } from "./testing/stage.js";

interface Hello {
  instance: string;
  message: string;
  path: string;
}

let on: Stage;
before(async () => {
  on = await stage({ holdMs: 800 });
});
after(() => on[Symbol.asyncDispose]());

async function hello(path: string, init?: RequestInit): Promise<Hello> {
  const response = await on.fetch(path, init);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Hello;
}

async function status(object: string): Promise<unknown> {
  const { result } = await on.call(object, "getState");
  return (result as { status: unknown }).status;
}

async function names(object: string): Promise<unknown[]> {
  return (await on.events(object)).map(({ event }) => event);
}

test("a request starts the container and gets its answer; the same name gets the same instance", async () => {
  const first = await hello("/PLAIN/cold/some/path");
  assert.equal(first.message, "from the class");
  assert.equal(first.path, "/PLAIN/cold/some/path");
  assert.equal((await hello("/PLAIN/cold/")).instance, first.instance);
  assert.notEqual((await hello("/PLAIN/other/")).instance, first.instance);
  assert.equal(await status("PLAIN/cold"), "healthy");
});

test("ten first requests at once start one container", async () => {
  const before = on.engine.created;
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      index % 2 ? on.fetch("/PLAIN/many/", { method: "POST", body: "x" }) : on.fetch("/PLAIN/many/"),
    ),
  );
  for (const answer of answers) assert.equal(answer.status, 200, await answer.text());
  assert.equal(on.engine.created, before + 1);
});

test("onStart runs once, before the first request, and may talk to the container itself", async () => {
  await Promise.all(Array.from({ length: 5 }, () => hello("/HOOKED/first/")));
  assert.deepEqual(await names("HOOKED/first"), ["start", "started"]);
  const [, started] = await on.events("HOOKED/first");
  assert.equal(started?.path, "/from-onStart");
});

test("a container that exits at once: the answer says with which code, and what it printed last", async () => {
  const response = await on.fetch("/DIES/one/");
  const text = await response.text();
  assert.equal(response.status, 502, text);
  assert.equal(response.headers.get("x-container-error"), "CONTAINER_EXITED");
  assert.match(text, /code 3/);
  assert.match(text, /no DATABASE_URL/);
  assert.deepEqual(await names("DIES/one"), ["stop", "error"]);
  const [stopped] = await on.events("DIES/one");
  assert.deepEqual([stopped?.exitCode, stopped?.reason], [3, "exit"]);
  const { error } = await on.call("DIES/one", "startAndWaitForPorts");
  assert.deepEqual([error?.code, error?.exitCode], ["CONTAINER_EXITED", 3]);
});

test("a container that listens on no port: the answer names the port and shows the output", async () => {
  const started = Date.now();
  const { error } = await on.call("DEAF/one", "startAndWaitForPorts", 8080, { instanceGetTimeoutMS: 600_000, portReadyTimeoutMS: 2000 });
  assert.equal(error?.code, "PORT_NOT_LISTENING");
  assert.match(String(error?.message), /8080(.|\n)*listening on nothing/);
  // The time for getting an instance is not waited for where there is one.
  assert.ok(Date.now() - started < 120_000);
  assert.equal(await status("DEAF/one"), "running");
});

test("a port that never opens, of a container that has been up for long: told at once; a slow one is waited for all the same", async () => {
  await using aged = await stage({ holdMs: 0, agedMs: 3_600_000 });
  assert.equal((await aged.fetch("/PLAIN/up/")).status, 200);
  for (const init of [{}, { method: "POST", body: "x" }]) {
    const started = Date.now();
    const response = await aged.fetch("/PLAIN/up/?port=9999", init);
    assert.deepEqual([response.status, response.headers.get("x-container-error")], [504, "PORT_NOT_LISTENING"]);
    // As long as a port may take to open.
    assert.ok(Date.now() - started < 20_000);
    assert.equal((await aged.fetch("/SLOW/up/", init)).status, 200);
  }
});

test("a port has its time from the start of the program, however long the start took, and never more than all is given", () => {
  const limits = { deadline: 28_000, portMs: 20_000, since: 0 };
  assert.equal(lateAt(limits, 5_000), 25_000);
  assert.equal(lateAt(limits, 15_000), 28_000);
  assert.equal(lateAt(limits, undefined), 28_000);
  assert.equal(lateAt({ ...limits, deadline: 128_000, since: 100_000 }, -3_600_000), 120_000);
});

test("the engine's refusal reaches the client with its code, and the next request tries anew", async () => {
  on.engine.refuse = { code: "LIMIT_REACHED", message: "max_instances (2) of class Plain is reached." };
  const refused = await on.fetch("/PLAIN/refused/");
  const text = await refused.text();
  assert.equal(refused.status, 503, text);
  assert.match(text, /max_instances \(2\)/);
  assert.ok(refused.headers.has("retry-after"));
  const { error } = await on.call("PLAIN/refused", "start");
  assert.equal(error?.code, "LIMIT_REACHED");
  on.engine.refuse = undefined;
  await hello("/PLAIN/refused/");
});

test("a slow start is waited for", async () => {
  const response = await on.fetch("/SLOW/one/", { method: "POST", body: "late" });
  assert.equal(await response.text(), "late");
});

test("a body goes there and back byte for byte", async () => {
  const body = new Uint8Array(3_000_000).map((_, index) => (index * 7919) >>> 3);
  const response = await on.fetch("/PLAIN/echo/", { method: "POST", body });
  assert.deepEqual(Buffer.from(await response.arrayBuffer()).compare(body), 0);
});

test("a compressed body and its length pass as they are, and an overridden fetch can read it", async () => {
  const response = await request(`${on.worker.url}/ZIP/one/`);
  const bytes = Buffer.from(await response.body.arrayBuffer());
  assert.equal(response.headers["content-encoding"], "gzip");
  assert.equal(Number(response.headers["content-length"]), bytes.length);
  assert.equal(gunzipSync(bytes).length, 200_000);
  const read = await on.fetch("/ZIPREADER/one/");
  assert.equal(await read.text(), "read 200000 characters");
});

test("where the engine refuses instead of waiting, the port is tried until it listens", async () => {
  await using refusing = await stage({ hold: false });
  const answers = await Promise.all([
    refusing.fetch("/SLOW/refused/"),
    refusing.fetch("/SLOW/refused/", { method: "POST", body: "x" }),
    refusing.fetch("/HOOKED/refused/"),
  ]);
  for (const answer of answers) assert.equal(answer.status, 200, await answer.text());
  const dead = await refusing.fetch("/DIES/refused/");
  assert.equal(dead.status, 502, await dead.text());
  assert.equal(dead.headers.get("x-container-error"), "CONTAINER_EXITED");
});

test("a container that crashed between two requests: the next one gets a new one", async () => {
  const first = await hello("/PLAIN/crash/");
  await on.fetch("/PLAIN/crash/crash?code=7").catch(() => undefined);
  const second = await hello("/PLAIN/crash/");
  assert.notEqual(second.instance, first.instance);
  const stops = (await on.events("PLAIN/crash")).filter(({ event }) => event === "stop");
  assert.equal(stops[0]?.exitCode, 7);
});

test("no request fails while the container is told to stop again and again from outside", async () => {
  await hello("/PLAIN/rollout/");
  let stop = false;
  let answered = 0;
  const failures: string[] = [];
  const ask = async (init?: RequestInit) => {
    while (!stop) {
      const response = await on.fetch("/PLAIN/rollout/", init);
      const text = await response.text();
      answered++;
      if (response.status !== 200 || (init !== undefined && text !== init.body))
        failures.push(`${init?.method ?? "GET"}: ${response.status} ${text}`);
    }
  };
  const clients = [ask(), ask(), ask(), ask(), ask({ method: "PUT", body: "small" }), ask({ method: "PUT", body: "small" })];
  for (let round = 0; round < 3; round++) {
    // Each round finds requests under way, at whatever pace this machine answers them.
    const goal = answered + 12;
    await eventually(() => answered >= goal, 60_000);
    for (const container of on.engine.running()) container.kill("SIGTERM");
  }
  const goal = answered + 12;
  await eventually(() => answered >= goal, 60_000);
  stop = true;
  await Promise.all(clients);
  assert.deepEqual(failures, []);
});

test("a request whose container is told to stop under it goes to the next one, and to the one after, though the program ends with code 0", async () => {
  for (const init of [{}, { method: "PUT", body: "x" }]) {
    const answer = on.fetch("/LEAVES/one/ask", init);
    const asked = () => on.engine.running().find(({ image, lastLines }) => image === IMAGES.leaves && lastLines.includes("asked"));
    for (let round = 0; round < 2; round++) {
      const container = await eventually(asked);
      container.kill("SIGTERM");
      await container.exited;
    }
    await eventually(asked);
    await on.fetch("/LEAVES/one/go");
    const response = await answer;
    assert.deepEqual([response.status, await response.text()], [200, "answered"]);
    await on.call("LEAVES/one", "destroy");
  }
});

test("stop() while it starts, and a request while it stops", async () => {
  const starting = hello("/SLOW/stop/");
  await eventually(async () => (await status("SLOW/stop")) === "running");
  await on.call("SLOW/stop", "stop");
  const first = await starting;
  await on.call("SLOW/stop", "stop");
  assert.match(String(await status("SLOW/stop")), /^stop/);
  const second = await hello("/SLOW/stop/");
  assert.notEqual(second.instance, first.instance);
  const stops = (await on.events("SLOW/stop")).filter(({ event }) => event === "stop");
  assert.deepEqual(
    stops.map(({ reason }) => reason),
    ["runtime_signal", "runtime_signal"],
  );
});

test("a running container is taken over when contact with the engine was lost", async () => {
  const first = await hello("/PLAIN/contact/");
  on.engine.breakWaits();
  await eventually(
    async () =>
      (await on.fetch("/PLAIN/contact/").then(
        (response) => response.ok,
        () => false,
      )) && true,
  );
  assert.equal((await hello("/PLAIN/contact/")).instance, first.instance);
  await on.call("PLAIN/contact", "stop");
  await eventually(async () => (await names("PLAIN/contact")).includes("stop"));
});

test("a container that sleeps frozen is the same one when it wakes", async () => {
  const first = await hello("/FROZEN/one/");
  const container = on.engine.running().find(({ image }) => image === IMAGES.frozen);
  for (let round = 0; round < 2; round++) {
    await eventually(() => container?.frozen);
    assert.equal((await hello("/FROZEN/one/")).instance, first.instance);
  }
  assert.equal(await status("FROZEN/one"), "healthy");
  await on.call("FROZEN/one", "stop");
  await eventually(async () => (await names("FROZEN/one")).includes("stop"));
});

test("destroy() resolves when the process is gone and onStop has run", async () => {
  await hello("/PLAIN/destroy/");
  await on.call("PLAIN/destroy", "destroy");
  assert.deepEqual(await names("PLAIN/destroy"), ["stop"]);
  assert.equal(await status("PLAIN/destroy"), "stopped_with_code");
  await hello("/PLAIN/destroy/");
});

test("options of one start: variables and entrypoint", async () => {
  await on.call("PLAIN/options", "startAndWaitForPorts", { startOptions: { envVars: { MESSAGE: "only this time" } } });
  assert.equal((await hello("/PLAIN/options/")).message, "only this time");
});

test("waitForPort on a container that does not run says so", async () => {
  const { error } = await on.call("PLAIN/never", "waitForPort", { portToCheck: 8080 });
  assert.equal(error?.code, "NOT_RUNNING");
});

test("schedule() calls the method at its time", async () => {
  const { result } = await on.call("PLAIN/timer", "schedule", 1, "note", "scheduled");
  assert.equal((result as { type: string }).type, "delayed");
  await eventually(async () => (await names("PLAIN/timer")).includes("scheduled"));
  assert.deepEqual((await on.call("PLAIN/timer", "listSchedules", "note")).result, []);
});
