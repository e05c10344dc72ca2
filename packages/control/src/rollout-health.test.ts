import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { Harness } from "./test-support/harness.js";
import { objectAt, until } from "./test-support/recording.js";
import { RolloutApplication, TWO } from "./test-support/rollout-application.js";

describe("rollouts whose new instances fail", () => {
  let harness: Harness;
  let app: RolloutApplication;
  let script: string;
  let count = 0;

  before(async () => {
    harness = await Harness.start();
  });
  after(() => harness[Symbol.asyncDispose]());

  beforeEach(async () => {
    script = `app-${count++}`;
    app = await RolloutApplication.create(harness, script);
  });

  test("a new instance that crashes stops the step, with its last lines; the rest runs on; next goes on, revert goes back", async () => {
    const old = [1, 30, 60, 90].map((place) => harness.engine.startInstance(script, { durableObjectId: objectAt(place) }));
    const running = (): number => old.filter((each) => harness.engine.all.get(each.id)?.status === "running").length;
    const steps = [{ step_size: { percentage: 10 } }, { step_size: { percentage: 100 } }];
    const { id } = (await app.roll({ steps })).result;
    await until(async () => (await app.rollout(id)).state === "watching");
    const crash = (): void => {
      const fresh = harness.engine.startInstance(script, { durableObjectId: objectAt(1) });
      assert.equal(fresh.version, 2);
      harness.engine.crash(fresh.id, ["no database"]);
    };
    crash();
    await until(async () => (await app.rollout(id)).state === "stopped");
    const stopped = await app.rollout(id);
    assert.equal(stopped.status, "progressing");
    assert.match(stopped.steps[0].reason, /ended with exit code 1\. Its last lines:\nno database/);
    assert.equal(stopped.health.instances.failed, 1);
    assert.equal(running(), 3);
    assert.equal((await app.steer(id, "next")).status, 200);
    await until(async () => (await app.rollout(id)).state === "watching");
    crash();
    await until(async () => (await app.rollout(id)).state === "stopped");
    assert.equal((await app.steer(id, "revert")).status, 200);
    await app.reaches(id, "reverted");
    assert.deepEqual([running(), app.tenantClass.version, app.tenantClass.next], [3, 1, undefined]);
  });

  test("the only instance is its step's canary, and while it is watched all objects are: a crash protects those that were not reached", async () => {
    harness.engine.startInstance(script, { durableObjectId: objectAt(40) });
    const steps = [{ step_size: { percentage: 10 } }, { step_size: { percentage: 100 } }];
    for (const on_crash of ["stop", "revert"]) {
      const { id } = (await app.roll({ steps, on_crash })).result;
      assert.deepEqual([app.tenantClass.version > 1, app.tenantClass.next], [true, undefined]);
      harness.engine.crash(harness.engine.startInstance(script, { durableObjectId: objectAt(90) }).id);
      if (on_crash === "revert") await app.reaches(id, "reverted");
      else await until(async () => (await app.rollout(id)).state === "stopped");
      await until(() => harness.engine.startInstance(script, { durableObjectId: objectAt(90) }).version === 1);
      harness.engine.all.clear();
      harness.engine.startInstance(script, { durableObjectId: objectAt(40) });
    }
  });

  test("asked for by a label or in the rollout, a crash sends everything back; or changes nothing", async () => {
    const labels = [{ name: "longshore/on-crash", value: "revert" }];
    for (const body of [{ on_crash: "revert" }, { target_configuration: { image: TWO, labels } }]) {
      harness.engine.startInstance(script);
      const { id } = (await app.roll(body)).result;
      await until(async () => (await app.rollout(id)).state === "watching");
      harness.engine.crash(harness.engine.startInstance(script).id);
      await app.reaches(id, "reverted");
      assert.equal(app.tenantClass.version, 1);
    }
    harness.engine.startInstance(script);
    const { id } = (await app.roll({ on_crash: "ignore" })).result;
    harness.engine.crash(harness.engine.startInstance(script).id);
    await app.reaches(id, "completed");
    const wrong = { image: TWO, labels: [{ name: "longshore/on-crash", value: "panic" }] };
    assert.match((await app.roll({ target_configuration: wrong })).errors[0]?.message ?? "", /can be stop, revert, ignore/);
  });
});
