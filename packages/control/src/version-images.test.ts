import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type ContainerClass, LongshoreError } from "@longshore/contract";
import { ACCOUNT, type Answer, containerForm, Harness, REGISTRY } from "./test-support/harness.js";
import { digestOf, until } from "./test-support/recording.js";

const SCRIPT = "boxes";
let harness: Harness;
let application: string;
const versions: string[] = [];

before(async () => {
  harness = await Harness.start();
  await upload();
  const { result } = await harness.call("GET", `workers/scripts/${SCRIPT}/versions`);
  const created = await harness.call("POST", "containers/applications", {
    name: SCRIPT,
    configuration: { image: `${REGISTRY}/${ACCOUNT}/app:one`, instance_type: "lite" },
    durable_objects: { namespace_id: result.items[0].resources.bindings[0].namespace_id },
  });
  application = created.result.id;
  await upload({ migrations: undefined });
  await rollTo({ image: `${REGISTRY}/${ACCOUNT}/app:two` });
});
after(() => harness[Symbol.asyncDispose]());

async function upload(changes: Record<string, unknown> = {}): Promise<void> {
  const { status, errors } = await harness.call("PUT", `workers/scripts/${SCRIPT}`, containerForm(changes));
  assert.equal(status, 200, JSON.stringify(errors));
  versions.push(running());
}

async function rollTo(configuration: Record<string, unknown>): Promise<void> {
  const { result } = await harness.call("POST", `containers/applications/${application}/rollouts`, { target_configuration: configuration });
  await until(async () => (await rollout(result.id)).status === "completed");
}

// biome-ignore lint/suspicious/noExplicitAny: looked at field by field
const rollout = async (id = ""): Promise<any> =>
  (await harness.call("GET", `containers/applications/${application}/rollouts/${id}`)).result;
const running = (): string => harness.workers.running.get(SCRIPT)?.version.id ?? assert.fail("nothing runs");
const tenantClass = (): ContainerClass => harness.engine.tenants.get(SCRIPT)?.classes[0] ?? assert.fail("no class");
const goTo = (version = ""): Promise<Answer> =>
  harness.call("POST", `workers/scripts/${SCRIPT}/deployments`, {
    strategy: "percentage",
    versions: [{ version_id: version, percentage: 100 }],
  });

test("a rollback brings back what containers ran with that version; going forward again does too", async () => {
  const old = harness.engine.startInstance(SCRIPT);
  assert.equal(old.image, `${ACCOUNT}/app@${digestOf("b")}`);
  assert.equal((await goTo(versions[0])).status, 200);
  assert.deepEqual([running(), tenantClass().image, tenantClass().version], [versions[0], `${ACCOUNT}/app@${digestOf("a")}`, 3]);
  await until(() => harness.engine.all.get(old.id)?.status === "exited");
  await harness.call("PUT", `workers/scripts/${SCRIPT}/secrets`, { name: "KEY", text: "k", type: "secret_text" });
  assert.equal(tenantClass().image, `${ACCOUNT}/app@${digestOf("a")}`);
  assert.equal((await goTo(versions[1])).status, 200);
  assert.deepEqual([running(), tenantClass().image], [versions[1], `${ACCOUNT}/app@${digestOf("b")}`]);
});

test("a rollback that fails changes neither code nor images", async () => {
  const before = [running(), tenantClass(), await rollout()];
  harness.workers.applyFailure = new LongshoreError("INVALID_INPUT", "does not start");
  assert.equal((await goTo(versions[0])).status, 400);
  harness.workers.applyFailure = undefined;
  assert.deepEqual([running(), tenantClass(), await rollout()], before);
});

test("an image that was deleted makes it fail, and says which", async () => {
  const before = [running(), tenantClass(), await rollout()];
  harness.registry.digests.delete(`${ACCOUNT}/app:one`);
  const { status, errors } = await goTo(versions[0]);
  assert.equal(status, 409);
  assert.match(
    errors[0]?.message ?? "",
    /the containers of "boxes" ran \S+\/app:one \(\S+@sha256:a+\), and that image is not there any more/,
  );
  assert.deepEqual([running(), tenantClass(), await rollout()], before);
});
