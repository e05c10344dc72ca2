import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { waitAfter } from "./start-limit.js";
import { eventually, type Stage, stage } from "./testing/stage.js";

let on: Stage;
before(async () => {
  on = await stage({ vars: { SLEEP_AFTER: "2s" } });
});
after(() => on[Symbol.asyncDispose]());

/** Does all that can be done to a container at once, and ends with a container that is destroyed. Returns how often its process was started. */
async function chaos(object: string): Promise<number> {
  let seed = 11;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % below;
  };
  const actions: Array<() => Promise<unknown>> = [
    () => on.fetch(`/${object}/`).then((response) => response.text()),
    () => on.fetch(`/${object}/`, { method: "POST", body: "x" }).then((response) => response.text()),
    () => on.call(object, "startAndWaitForPorts"),
    () => on.call(object, "start"),
    () => on.call(object, "stop"),
    () => on.call(object, "destroy"),
    async () => {
      for (const container of on.engine.running()) container.kill(["SIGTERM", "SIGKILL"][random(2)] ?? "");
    },
    () => on.call(object, "getState"),
    () => new Promise((resolve) => setTimeout(resolve, random(60))),
  ];
  const before = on.engine.calls.length;
  for (let round = 0; round < 25; round++) {
    await Promise.all(Array.from({ length: 4 }, () => actions[random(actions.length)]?.().catch(() => undefined)));
  }
  await on.call(object, "destroy");
  return on.engine.calls.slice(before).filter((call) => /^POST .*(?<!-proxy)\/start$/.test(call)).length;
}

for (const object of ["NOTED/chaos", "HOOKED/chaos"]) {
  test(`${object}: whatever starts, stops and kills it at once, each life has one end, and a start hook that succeeds runs once`, async () => {
    const starts = await chaos(object);
    assert.ok(starts > 3, `${starts} starts`);
    const events = await eventually(async () => {
      const seen = await lives(object);
      return seen.filter((event) => event === "stop").length >= starts && seen;
    });
    assert.equal(events.filter((event) => event === "stop").length, starts, events.join(" "));
    if (object.startsWith("NOTED")) assert.match(events.join(" "), /^((start )?stop ?)*$/);
    assert.deepEqual(on.engine.running(), []);
    const { status, lastStop } = (await on.call(object, "getState")).result as { status: string; lastStop: { cause: string } };
    assert.match(status, /^stopped/);
    assert.ok(lastStop.cause);
  });
}

async function lives(object: string): Promise<unknown[]> {
  return (await on.events(object)).map(({ event }) => event).filter((event) => event !== "error" && event !== "alarm");
}

test("no alarm rings while nothing happens: one for the container's sleep at most, none before and none after", async () => {
  const object = "PLAIN/quiet";
  assert.equal((await on.fetch(`/${object}/`)).status, 200);
  await eventually(async () => (await lives(object)).includes("stop"));
  const alarms = async () => (await on.events(object)).filter(({ event }) => event === "alarm").length;
  const before = await alarms();
  assert.ok(before <= 1, `${before} alarms`);
  await new Promise((resolve) => setTimeout(resolve, 4000));
  assert.ok((await alarms()) <= 1);
  const { result } = await on.call(object, "getState");
  assert.equal((result as { lastStop: { cause: string } }).lastStop.cause, "idle");
});

test("getState() says what is open", async () => {
  const object = "PLAIN/open";
  const response = await on.fetch(`/${object}/sse?count=1000&ms=100`);
  const state = async () => (await on.call(object, "getState")).result as { inUse?: Record<string, number>; sleepsAt?: number };
  const busy = await state();
  assert.deepEqual([busy.inUse?.streams, busy.inUse?.webSockets, busy.sleepsAt], [1, 0, undefined]);
  await response.body?.cancel();
  const idle = await eventually(async () => {
    const seen = await state();
    return seen.sleepsAt !== undefined && seen;
  });
  assert.equal(idle.inUse?.streams, 0);
});

test("a program that fails at each start is not started for every request: 429 with Retry-After", async () => {
  for (let round = 0; round < 10; round++) assert.equal((await on.fetch("/DIES/limited/")).status, 502);
  const created = on.engine.created;
  const limited = await on.fetch("/DIES/limited/");
  assert.equal(limited.status, 429);
  assert.equal(limited.headers.get("x-container-error"), "STARTS_LIMITED");
  assert.ok(Number(limited.headers.get("retry-after")) > 0);
  assert.equal((await on.call("DIES/limited", "start")).error?.code, "STARTS_LIMITED");
  assert.equal(on.engine.created, created);
});

test("ten failures in ten seconds are the limit", () => {
  const failures = Array.from({ length: 10 }, (_, index) => 1000 * index);
  assert.equal(waitAfter(failures.slice(1), 9000), 0);
  assert.equal(waitAfter(failures, 9000), 1000);
  assert.equal(waitAfter(failures, 10_000), 0);
});
