import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ContainerClass } from "@longshore/contract";
import { ACCOUNT, type Answer, containerForm, Harness, REGISTRY } from "./test-support/harness.js";
import { digestOf } from "./test-support/recording.js";

const SCRIPT = "boxes";
let harness: Harness;
let namespace: string;
const versions: string[] = [];
const pinned = (digit: string): string => `${REGISTRY}/${ACCOUNT}/app@${digestOf(digit)}`;
const tenantClass = (): ContainerClass => harness.engine.tenants.get(SCRIPT)?.classes[0] ?? assert.fail("no class");

before(async () => {
  harness = await Harness.start();
});
after(() => harness[Symbol.asyncDispose]());

async function upload(digit: string, changes: Record<string, unknown> = {}): Promise<Answer> {
  const containers = [{ name: "boxes-box", class_name: "Box", images: { main: pinned(digit) } }];
  const answer = await harness.call("PUT", `workers/scripts/${SCRIPT}`, containerForm({ containers, ...changes }));
  if (answer.status === 200) versions.push(harness.workers.running.get(SCRIPT)?.version.id ?? "");
  return answer;
}

const create = (changes: Record<string, unknown> = {}): Promise<Answer> =>
  harness.call("POST", "containers/applications", {
    name: "boxes-box",
    scheduling_policy: "durable_object",
    durable_objects: { namespace_id: namespace },
    configuration: {},
    ...changes,
  });

test("images are prepared, belong to the version, and change with it in the same moment", async () => {
  const prepare = async (image: string): Promise<Answer["result"]> =>
    (await harness.call("POST", "containers/image-preparations", { image })).result;
  assert.deepEqual(await prepare(pinned("a")), { image: pinned("a"), status: "ready" });
  assert.match((await prepare(pinned("e"))).reason, /The registry has no/);
  assert.match((await prepare(`${REGISTRY}/${ACCOUNT}/app:one`)).reason, /named by its digest/);

  assert.equal((await upload("a")).status, 200);
  const view = (await harness.call("GET", `workers/scripts/${SCRIPT}/versions/${versions[0]}`)).result;
  namespace = view.resources.bindings[0].namespace_id;
  assert.deepEqual(view.resources.script_runtime.containers, [{ class_name: "Box", name: "boxes-box", images: { main: pinned("a") } }]);
  assert.equal((await harness.call("GET", `containers/applications/${namespace}`)).status, 404);
  const created = await create();
  assert.deepEqual([created.status, created.result.id, created.result.scheduling_policy], [201, namespace, "durable_object"]);
  assert.equal((await harness.call("GET", `containers/applications/${namespace}`)).result.name, "boxes-box");
  assert.equal(tenantClass().image, `${ACCOUNT}/app@${digestOf("a")}`);

  assert.equal((await upload("b", { migrations: undefined })).status, 200);
  assert.equal(tenantClass().image, `${ACCOUNT}/app@${digestOf("b")}`);
  assert.deepEqual(harness.workers.running.get(SCRIPT)?.version.containers[0]?.images, { main: pinned("b") });
  assert.deepEqual([...(await harness.control.images()).deployed].includes(digestOf("b")), true);
});

test("a rollout has no part in it; an image that is gone refuses the version, and nothing changes", async () => {
  const rollout = await harness.call("POST", `containers/applications/${namespace}/rollouts`, { target_configuration: {} });
  assert.match(rollout.errors[0]?.message ?? "", /change with the Worker's version/);
  harness.registry.digests.delete(`${ACCOUNT}/app:one`);
  const back = await harness.call("POST", `workers/scripts/${SCRIPT}/deployments`, {
    strategy: "percentage",
    versions: [{ version_id: versions[0], percentage: 100 }],
  });
  assert.equal(back.status, 409);
  assert.match(back.errors[0]?.message ?? "", /its container image "main" \(\S+@sha256:a+\) is not there, or not any more/);
  assert.equal((await upload("e", { migrations: undefined })).status, 409);
  assert.equal(harness.workers.running.get(SCRIPT)?.version.id, versions[1]);
  assert.equal(tenantClass().image, `${ACCOUNT}/app@${digestOf("b")}`);
});
