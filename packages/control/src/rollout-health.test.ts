import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { ContainerClass } from "@longshore/contract";
import { ACCOUNT, type Answer, containerForm, Harness, REGISTRY } from "./test-support/harness.js";
import { objectAt, until } from "./test-support/recording.js";

const TWO = `${REGISTRY}/${ACCOUNT}/app:two`;

describe("rollouts whose new instances fail", () => {
  let harness: Harness;
  let application: string;
  let script: string;
  let count = 0;

  before(async () => {
    harness = await Harness.start();
  });
  after(() => harness[Symbol.asyncDispose]());

  beforeEach(async () => {
    script = `app-${count++}`;
    assert.equal((await harness.call("PUT", `workers/scripts/${script}`, containerForm())).status, 200);
    const { result } = await harness.call("GET", `workers/scripts/${script}/versions`);
    const created = await harness.call("POST", "containers/applications", {
      name: script,
      configuration: { image: `${REGISTRY}/${ACCOUNT}/app:one`, instance_type: "lite" },
      max_instances: 10,
      durable_objects: { namespace_id: result.items[0].resources.bindings[0].namespace_id },
    });
    application = created.result.id;
  });

  const tenantClass = (): ContainerClass => harness.engine.tenants.get(script)?.classes[0] ?? assert.fail("no class");
  const roll = async (body: Record<string, unknown> = {}): Promise<Answer> =>
    harness.call("POST", `containers/applications/${application}/rollouts`, {
      target_configuration: { image: TWO },
      kind: "full_auto",
      ...body,
    });
  // biome-ignore lint/suspicious/noExplicitAny: looked at field by field
  const rollout = async (id: string): Promise<any> =>
    (await harness.call("GET", `containers/applications/${application}/rollouts/${id}`)).result;
  const reaches = (id: string, status: string): Promise<void> => until(async () => (await rollout(id)).status === status);

  test("a new instance that crashes stops the step, with its last lines; the rest runs on; next goes on, revert goes back", async () => {
    const old = [1, 30, 60, 90].map((place) => harness.engine.startInstance(script, { durableObjectId: objectAt(place) }));
    const running = (): number => old.filter((each) => harness.engine.all.get(each.id)?.status === "running").length;
    const steps = [{ step_size: { percentage: 10 } }, { step_size: { percentage: 100 } }];
    const { id } = (await roll({ steps, step_percentage: undefined })).result;
    await until(async () => (await rollout(id)).state === "watching");
    const crash = (): void => {
      const fresh = harness.engine.startInstance(script, { durableObjectId: objectAt(1) });
      assert.equal(fresh.version, 2);
      harness.engine.crash(fresh.id, ["no database"]);
    };
    crash();
    await until(async () => (await rollout(id)).state === "stopped");
    const stopped = await rollout(id);
    assert.equal(stopped.status, "progressing");
    assert.match(stopped.steps[0].reason, /ended with exit code 1\. Its last lines:\nno database/);
    assert.equal(stopped.health.instances.failed, 1);
    assert.equal(running(), 3);
    const steer = (action: string): Promise<Answer> =>
      harness.call("POST", `containers/applications/${application}/rollouts/${id}`, { action });
    assert.equal((await steer("next")).status, 200);
    await until(async () => (await rollout(id)).state === "watching");
    crash();
    await until(async () => (await rollout(id)).state === "stopped");
    assert.equal((await steer("revert")).status, 200);
    await reaches(id, "reverted");
    assert.deepEqual([running(), tenantClass().version, tenantClass().next], [3, 1, undefined]);
  });

  test("the only instance is its step's canary, and while it is watched all objects are: a crash protects those that were not reached", async () => {
    harness.engine.startInstance(script, { durableObjectId: objectAt(40) });
    const steps = [{ step_size: { percentage: 10 } }, { step_size: { percentage: 100 } }];
    for (const on_crash of ["stop", "revert"]) {
      const { id } = (await roll({ steps, on_crash })).result;
      assert.deepEqual([tenantClass().version > 1, tenantClass().next], [true, undefined]);
      harness.engine.crash(harness.engine.startInstance(script, { durableObjectId: objectAt(90) }).id);
      if (on_crash === "revert") await reaches(id, "reverted");
      else await until(async () => (await rollout(id)).state === "stopped");
      await until(() => harness.engine.startInstance(script, { durableObjectId: objectAt(90) }).version === 1);
      harness.engine.all.clear();
      harness.engine.startInstance(script, { durableObjectId: objectAt(40) });
    }
  });

  test("asked for by a label or in the rollout, a crash sends everything back; or changes nothing", async () => {
    const labels = [{ name: "longshore/on-crash", value: "revert" }];
    for (const body of [{ on_crash: "revert" }, { target_configuration: { image: TWO, labels } }]) {
      harness.engine.startInstance(script);
      const { id } = (await roll(body)).result;
      await until(async () => (await rollout(id)).state === "watching");
      harness.engine.crash(harness.engine.startInstance(script).id);
      await reaches(id, "reverted");
      assert.equal(tenantClass().version, 1);
    }
    harness.engine.startInstance(script);
    const { id } = (await roll({ on_crash: "ignore" })).result;
    harness.engine.crash(harness.engine.startInstance(script).id);
    await reaches(id, "completed");
    const wrong = { image: TWO, labels: [{ name: "longshore/on-crash", value: "panic" }] };
    assert.match((await roll({ target_configuration: wrong })).errors[0]?.message ?? "", /can be stop, revert, ignore/);
  });
});
