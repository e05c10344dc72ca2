import assert from "node:assert/strict";
import { test } from "node:test";
import { pauseBeforeRestart } from "./out-of-memory.js";
import { eventually, stage } from "./testing/stage.js";

const POST: RequestInit = { method: "POST", body: "x" };

test("a container that runs out of memory says so to the request that it had, and is started again as it was, without being asked", async () => {
  await using on = await stage();
  const message = async () => (await on.fetch("/HOG/one/")).text();
  await on.call("HOG/one", "startAndWaitForPorts", { startOptions: { envVars: { MESSAGE: "its own" } } });
  assert.equal(await message(), "its own");
  const answer = await on.fetch("/HOG/one/hog", POST);
  assert.equal(answer.status, 502);
  assert.equal(answer.headers.get("x-container-error"), "OUT_OF_MEMORY");
  assert.match(await answer.text(), /instance_type/);
  await eventually(() => on.engine.created === 2 && on.engine.running().length === 1);
  assert.deepEqual(
    (await on.events("HOG/one")).map(({ event, exitCode }) => [event, exitCode]),
    [["stop", 137]],
  );
  assert.equal(await message(), "its own");

  // A kill that has another reason is no cause for a restart, and a container that was stopped stays so.
  await on.call("HOG/one", "destroy");
  await on.fetch("/PLAIN/two/");
  const [other] = on.engine.running();
  other?.kill("SIGKILL");
  await eventually(async () => (await on.events("PLAIN/two")).length > 0);
  await on.call("PLAIN/two", "getState");
  assert.deepEqual(on.engine.running(), []);
});

test("restarts come ever later, and five in an hour are enough", () => {
  const hour = 3_600_000;
  const restarts: number[] = [];
  for (const pause of [0, 1000, 2000, 4000, 8000]) {
    assert.equal(pauseBeforeRestart(restarts, hour), pause);
    restarts.push(hour);
  }
  assert.equal(pauseBeforeRestart(restarts, hour), undefined);
  assert.equal(pauseBeforeRestart(restarts, 2 * hour + 1), 0);
});
