import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { ACCOUNT, type Answer, containerForm, Harness, REGISTRY } from "./test-support/harness.js";
import { deferred, digestOf, objectAt, until } from "./test-support/recording.js";
import { createApplication, namespaceOf, ONE, RolloutApplication, TWO } from "./test-support/rollout-application.js";

describe("containers applications", () => {
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
    harness.engine.stops.length = 0;
    harness.engine.beforeStop = async () => undefined;
    app = await RolloutApplication.create(harness, script);
  });

  function errorOf(answer: Answer): { error: string; details: Record<string, string> } {
    return JSON.parse(answer.errors[0]?.message ?? "{}");
  }

  test("what does not fit is refused by field", async () => {
    const namespace = await namespaceOf(harness, script);
    const same = await createApplication(harness, "other", script);
    assert.deepEqual([same.status, errorOf(same).error], [409, "DURABLE_OBJECT_ALREADY_HAS_APPLICATION"]);
    const name = await createApplication(harness, script, `${script}-b`);
    assert.deepEqual([name.status, errorOf(name).error], [409, "APPLICATION_NAME_ALREADY_EXISTS"]);
    const unknown = await createApplication(harness, "x", script, { durable_objects: { namespace_id: "f".repeat(32) } });
    assert.deepEqual([unknown.status, errorOf(unknown).error], [400, "DURABLE_OBJECT_NOT_FOUND"]);
    const crowd = await harness.call("PATCH", `containers/applications/${app.id}`, { max_instances: 30_000 });
    assert.deepEqual([crowd.status, errorOf(crowd).error], [400, "SURPASSED_TOTAL_LIMITS"]);
    assert.match(errorOf(crowd).details.vcpu ?? "", /30000 instances with 0.0625 vCPU each have more than 1500 vCPU/);
    assert.equal(
      (await harness.call("PUT", `workers/scripts/${script}`, containerForm({ migrations: undefined, containers: [] }))).status,
      200,
    );
    await harness.call("DELETE", `containers/applications/${app.id}`);
    const plain = await createApplication(harness, "x", script, { durable_objects: { namespace_id: namespace } });
    assert.deepEqual([plain.status, errorOf(plain).error], [400, "DURABLE_OBJECT_NOT_CONTAINER_ENABLED"]);
    const policy = await createApplication(harness, "x", script, { scheduling_policy: "gpu" });
    assert.match(errorOf(policy).details.scheduling_policy ?? "", /not served/);
  });

  test("an image larger than the disk is refused", async () => {
    harness.engine.imageBytes = 3e9;
    const answer = await createApplication(harness, "large", `${script}-c`);
    harness.engine.imageBytes = 1e6;
    assert.match(errorOf(answer).details.image ?? "", /3000 MB unpacked, more than the instance's disk of 2000 MB/);

    const prepared = harness.engine.prepared.length;
    harness.registry.size = 2.5e9;
    const compressed = await createApplication(harness, "large", `${script}-c`);
    harness.registry.size = 1;
    assert.match(errorOf(compressed).details.image ?? "", /2500 MB compressed, more than the instance's disk of 2000 MB/);
    assert.equal(harness.engine.prepared.length, prepared, "it is not unpacked");
  });

  test("an image under another algorithm's digest is refused", async () => {
    harness.registry.add(`${ACCOUNT}/app:long`, `sha512:${"a".repeat(128)}`);
    const answer = await app.roll({ target_configuration: { image: `${REGISTRY}/${ACCOUNT}/app:long` } });
    assert.deepEqual([answer.status, errorOf(answer).error], [400, "VALIDATE_INPUT"]);
    assert.match(errorOf(answer).details.image ?? "", /containers run images with digests of sha256/);
  });

  test("an image in another registry: what its tag names now is what runs, and refusals have the API's names", async () => {
    const { elsewhere, prepared } = harness.engine;
    const image = "docker.io/library/nginx:1";
    const target = { target_configuration: { image } };
    const refusal = async () => {
      const answer = await app.roll(target);
      return [answer.status, errorOf(answer).error, errorOf(answer).details.image ?? errorOf(answer).details.reason];
    };
    assert.deepEqual(await refusal(), [400, "IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE", `There is no image ${image}.`]);
    elsewhere.set(image, new LongshoreError("UNAUTHORIZED", "no entry"));
    assert.deepEqual(await refusal(), [400, "IMAGE_REGISTRY_RETURNED_ERROR", "no entry"]);
    elsewhere.set(image, new LongshoreError("UNSUPPORTED", "for linux/arm64"));
    assert.deepEqual(await refusal(), [400, "UNSUPPORTED", "for linux/arm64"]);
    elsewhere.set(image, new LongshoreError("UNAVAILABLE", "no answer"));
    assert.deepEqual(await refusal(), [503, "UNAVAILABLE", "no answer"]);
    elsewhere.set(image, { digest: digestOf("c"), downloadBytes: 2.5e9 });
    assert.match(String((await refusal())[2]), /2500 MB to download, more than the instance's disk/);
    assert.ok(!prepared.some((each) => each.startsWith("docker.io/")));

    elsewhere.set(image, { digest: digestOf("c"), downloadBytes: 1e6 });
    const first = (await app.roll(target)).result;
    await app.reaches(first.id, "completed");
    const pinned = `docker.io/library/nginx@${digestOf("c")}`;
    assert.deepEqual([app.tenantClass.image, app.tenantClass.version], [pinned, 2]);
    assert.ok(prepared.includes(pinned));
    assert.equal(first.target_configuration.image, image);
    elsewhere.set(image, { digest: digestOf("d"), downloadBytes: 1e6 });
    assert.equal(app.tenantClass.image, pinned);
    const second = (await app.roll(target)).result;
    await app.reaches(second.id, "completed");
    assert.deepEqual([app.tenantClass.image, app.tenantClass.version], [`docker.io/library/nginx@${digestOf("d")}`, 3]);
  });

  test("PATCH touches no running instance, but the limit counts at once", async () => {
    const answer = await harness.call("PATCH", `containers/applications/${app.id}`, {
      max_instances: 3,
      configuration: { image: TWO },
    });
    assert.equal(answer.status, 200);
    assert.equal(app.tenantClass.image, `${ACCOUNT}/app@${digestOf("a")}`);
    assert.deepEqual([app.tenantClass.version, app.tenantClass.maxInstances], [1, 3]);
    assert.equal(answer.result.configuration.image, ONE);
    const started = (await app.roll({ target_configuration: undefined })).result;
    assert.equal(started.target_configuration.image, TWO);
  });

  test("nothing running: a rollout completes, and the next start is on the target", async () => {
    const { result } = await app.roll();
    await app.reaches(result.id, "completed");
    assert.deepEqual([app.tenantClass.image, app.tenantClass.version], [`${ACCOUNT}/app@${digestOf("b")}`, 2]);
    assert.ok(harness.engine.prepared.includes(`${ACCOUNT}/app@${digestOf("b")}`));
    const view = (await harness.call("GET", `containers/applications/${app.id}`)).result;
    assert.deepEqual([view.version, view.configuration.image, view.active_rollout_id], [2, TWO, undefined]);
  });

  test("steps in order; traffic is held only while instances end", async () => {
    for (let index = 0; index < 4; index++) harness.engine.startInstance(script);
    const heldAt: number[] = [];
    harness.engine.beforeStop = async () => void heldAt.push(harness.traffic.held);
    const { result } = await app.roll({ step_percentage: 25 });
    await app.reaches(result.id, "completed");
    assert.deepEqual(heldAt, [1, 1, 1, 1]);
    assert.equal(harness.traffic.held, 0);
    assert.deepEqual(harness.engine.stops[0], { id: harness.engine.stops[0]?.id, reason: "rollout", graceMs: 900_000 });
    const { steps, progress } = await app.rollout(result.id);
    assert.deepEqual(
      steps.map((each: { status: string }) => each.status),
      ["completed", "completed", "completed", "completed"],
    );
    assert.equal(progress.total_instances, 4);
  });

  test("an instance within its grace period is left alone", async () => {
    await harness.call("PATCH", `containers/applications/${app.id}`, { rollout_active_grace_period: 3600 });
    const young = harness.engine.startInstance(script);
    const old = harness.engine.startInstance(script, { createdAt: new Date(Date.now() - 3_700_000).toISOString() });
    const { result } = await app.roll();
    await until(() => harness.engine.all.get(old.id)?.status === "exited");
    assert.equal(harness.engine.all.get(young.id)?.status, "running");
    assert.equal((await app.rollout(result.id)).status, "progressing");
  });

  test("a rollout whose instances would run the same moves none", async () => {
    const instance = harness.engine.startInstance(script);
    const { result } = await app.roll({ target_configuration: { image: ONE, observability: { logs: { enabled: true } } } });
    await app.reaches(result.id, "completed");
    assert.equal(harness.engine.all.get(instance.id)?.status, "running");
    assert.equal(app.tenantClass.version, 1);
  });

  test("a newer rollout replaces the one under way", async () => {
    const instance = harness.engine.startInstance(script);
    const release = deferred();
    harness.engine.beforeStop = () => release.promise;
    const first = (await app.roll()).result;
    await until(() => harness.engine.stops.length === 1);
    const second = (await app.roll({ target_configuration: { image: ONE } })).result;
    assert.equal((await app.rollout(first.id)).status, "replaced");
    // The first had reached every object, so what they run now is where the second begins.
    assert.deepEqual([second.current_version, second.target_version], [2, 3]);
    release.resolve();
    await app.reaches(second.id, "completed");
    assert.equal(harness.engine.all.get(instance.id)?.status, "exited");
    assert.equal(app.tenantClass.version, 3);
  });

  test("with no or one instance, every object starts on the target once the API has answered; with more, those that the step reaches", async () => {
    const steps = [{ step_size: { percentage: 10 } }, { step_size: { percentage: 100 } }];
    const release = deferred();
    harness.engine.beforeStop = () => release.promise;
    const images = [TWO, ONE, TWO];
    for (const [index, places] of [[], [40], [40, 41]].entries()) {
      harness.engine.all.clear();
      for (const place of places) harness.engine.startInstance(script, { durableObjectId: objectAt(place) });
      const answer = await app.roll({ steps, target_configuration: { image: images[index] } });
      const { version, next } = app.tenantClass;
      assert.equal(next?.version ?? version, answer.result.target_version);
      assert.equal(next === undefined, places.length < 2, `${places.length} instances`);
      assert.ok(next === undefined || (next.below > 40 && next.below < 41));
    }
    release.resolve();
  });

  test("a step that is under way: objects within it start on the target, the others on what there was, and none goes back and forth", async () => {
    const steps = [{ step_size: { percentage: 40 } }, { step_size: { percentage: 100 } }];
    const { id } = (await app.roll({ kind: "full_manual", steps })).result;
    const start = (place: number): number => harness.engine.startInstance(script, { durableObjectId: objectAt(place) }).version;
    assert.deepEqual([start(10), start(90)], [1, 1]);
    harness.engine.all.clear();
    await app.steer(id, "next");
    await until(async () => (await app.rollout(id)).state === "waiting" && (await app.rollout(id)).progress.current_step === 1);
    assert.deepEqual([start(10), start(39), start(41), start(90)], [2, 2, 1, 1]);
    // A rollout that begins meanwhile reaches first what this one had reached, and leaves the others on what they run.
    const next = (await app.roll({ steps, target_configuration: { image: TWO, instance_type: "basic" } })).result;
    assert.deepEqual([next.current_version, next.target_version], [1, 3]);
    assert.deepEqual([start(10), start(90)], [3, 1]);
    await app.reaches(next.id, "completed");
    assert.deepEqual([start(10), start(90)], [3, 3]);
  });

  test("manual: next, previous, revert", async () => {
    const instances = [10, 80].map((place) => harness.engine.startInstance(script, { durableObjectId: objectAt(place) }));
    const running = (): number => instances.filter((each) => harness.engine.all.get(each.id)?.status === "running").length;
    const { id } = (await app.roll({ kind: "full_manual", step_percentage: 50 })).result;
    assert.equal(app.tenantClass.version, 1);
    assert.equal((await app.steer(id, "previous")).status, 409);
    assert.equal((await app.steer(id, "next")).result.success, true);
    await until(async () => (await app.rollout(id)).steps[0].status === "completed");
    assert.deepEqual([running(), app.tenantClass.version, app.tenantClass.next?.version], [1, 1, 2]);
    const replacement = harness.engine.startInstance(script, { durableObjectId: objectAt(10) });
    assert.equal(replacement.version, 2);
    assert.equal((await app.steer(id, "revert")).status, 200);
    await app.reaches(id, "reverted");
    assert.equal(harness.engine.all.get(replacement.id)?.status, "exited");
    assert.deepEqual([running(), app.tenantClass.version, app.tenantClass.image], [1, 1, `${ACCOUNT}/app@${digestOf("a")}`]);
    assert.equal((await app.steer(id, "next")).status, 409);
  });

  test("a rollout goes on after a restart of the server, and what was deployed runs again", async () => {
    const instance = harness.engine.startInstance(script);
    const release = deferred();
    harness.engine.beforeStop = () => release.promise;
    const { id } = (await app.roll()).result;
    await until(() => harness.engine.stops.length === 1);
    await harness.restart();
    harness.engine.tenants.clear();
    harness.workers.running.clear();
    const holds = harness.traffic.holds;
    await harness.control.resume(new AbortController().signal);
    assert.equal(app.tenantClass.version, 2);
    assert.ok(harness.workers.running.has(script));
    await until(() => harness.engine.stops.length === 2);
    release.resolve();
    await app.reaches(id, "completed");
    assert.equal(harness.engine.all.get(instance.id)?.status, "exited");
    assert.equal(harness.traffic.holds, holds, "what was ending already is waited for without holding anybody up");
  });

  test("deleting an application stops its instances; deleting the Worker takes the application along", async () => {
    const instance = harness.engine.startInstance(script);
    assert.equal((await harness.call("DELETE", `containers/applications/${app.id}`)).status, 200);
    await until(() => harness.engine.all.get(instance.id)?.status === "exited");
    assert.deepEqual(harness.engine.tenants.get(script)?.classes, []);
    assert.equal((await harness.call("GET", `containers/applications/${app.id}`)).status, 404);
    app = await RolloutApplication.create(harness, script);
    assert.equal((await harness.call("DELETE", `workers/services/${script}?force=true`)).status, 200);
    assert.equal((await harness.call("GET", `containers/applications/${app.id}`)).status, 404);
    assert.equal(harness.engine.tenants.has(script), false);
  });
});
