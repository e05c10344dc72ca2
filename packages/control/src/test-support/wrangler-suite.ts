import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { ACCOUNT, Harness, REGISTRY } from "./harness.js";
import { digestOf, until } from "./recording.js";
import { failed, succeeded, WranglerApp, type WranglerRelease } from "./wrangler.js";

const NAME = "boxes";

function code(greeting: string): string {
  return `import { DurableObject } from "cloudflare:workers";
export class Box extends DurableObject { fetch() { return new Response("box"); } }
export default { fetch() { return new Response(${JSON.stringify(greeting)}); } };`;
}

function config(changes: Record<string, unknown> = {}, container: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: NAME,
    durable_objects: { bindings: [{ name: "BOX", class_name: "Box" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Box"] }],
    containers: [{ class_name: "Box", image: `${REGISTRY}/${ACCOUNT}/app:one`, max_instances: 5, instance_type: "basic", ...container }],
    vars: { GREETING: "hello" },
    ...changes,
  };
}

/** What the API must do for every wrangler: the real one is driven, unmodified. A test file for each, so that they run beside one another. */
export function wranglerSuite(release: WranglerRelease): void {
  describe(release.label, () => {
    let harness: Harness;
    let app: WranglerApp;

    before(async () => {
      harness = await Harness.start();
      app = await WranglerApp.create(harness, release, "app");
      await app.write(config(), code("one"));
    });
    after(() => harness[Symbol.asyncDispose]());

    const applicationId = (): string => harness.engine.tenants.get(NAME)?.classes[0]?.applicationId ?? assert.fail("no application");
    const versionIds = async (): Promise<string[]> =>
      (await harness.call("GET", `workers/scripts/${NAME}/versions`)).result.items.map((each: { id: string }) => each.id);

    test("whoami", async () => {
      assert.match(succeeded(await app.run(["whoami"])), /Test account/);
    });

    test("a wrong token is refused with what to do", async () => {
      const output = failed(await app.run(["deploy"], { token: "nonsense" }));
      assert.match(output, /The API token is not known here, was revoked, or has expired\. Set CLOUDFLARE_API_TOKEN/);
      assert.equal(harness.workers.running.size, 0);
    });

    test("a binding to a namespace that is not there is named, and nothing changes", async () => {
      await app.write(config({ kv_namespaces: [{ binding: "CACHE", id: "0".repeat(32) }] }), code("one"));
      const output = failed(await app.run(["deploy"]));
      assert.match(output, /Binding "CACHE" \(kv_namespace\) cannot be served\. There is no KV namespace 0{32}/);
      assert.equal(harness.workers.running.size, 0);
      await app.write(config(), code("one"));
    });

    test("an image that is not in the registry is named", async () => {
      await app.write(config({ name: "lost" }, { image: `${REGISTRY}/${ACCOUNT}/app:nowhere` }), code("one"));
      assert.match(failed(await app.run(["deploy"])), /IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE[\s\S]*is not in the registry/);
      succeeded(await app.run(["delete", "--force"]));
      await app.write(config(), code("one"));
    });

    test("deploy: new", async () => {
      const output = succeeded(await app.run(["deploy"]));
      assert.match(output, /boxes\.harbour\.workers\.dev/);
      const target = harness.workers.running.get(NAME);
      assert.equal(target?.engineSocket, harness.engine.socketPath(NAME));
      const namespace = target?.namespaces[0];
      assert.equal(namespace?.className, "Box");
      const tenant = harness.engine.tenants.get(NAME);
      assert.deepEqual(tenant?.classes[0]?.size, { vcpu: 0.25, memoryMib: 1024, diskMb: 4000 });
      assert.equal(tenant?.classes[0]?.image, `${ACCOUNT}/app@${digestOf("a")}`);
      assert.equal(tenant?.classes[0]?.namespaceId, namespace?.id);
      assert.equal(tenant?.classes[0]?.maxInstances, 5);
      assert.deepEqual(harness.published, [{ name: NAME, enabled: true, domains: [], routes: [] }]);
    });

    test("deploy: unchanged", async () => {
      const id = applicationId();
      assert.match(succeeded(await app.run(["deploy"])), /no changes/);
      assert.equal(applicationId(), id);
      assert.equal(harness.engine.tenants.get(NAME)?.classes[0]?.version, 1);
    });

    test("deploy: changed image and code moves the running instance, held", async () => {
      harness.engine.startInstance(NAME);
      await app.write(config({}, { image: `${REGISTRY}/${ACCOUNT}/app:two` }), code("two"));
      succeeded(await app.run(["deploy"]));
      await until(() => harness.engine.stops.length === 1);
      assert.equal(harness.engine.stops[0]?.reason, "rollout");
      assert.equal(harness.traffic.holds, 1);
      await until(async () => {
        const rollouts = await harness.call("GET", `containers/applications/${applicationId()}/rollouts`);
        return rollouts.result[0].status === "completed";
      });
      const row = harness.engine.tenants.get(NAME)?.classes[0];
      assert.equal(row?.image, `${ACCOUNT}/app@${digestOf("b")}`);
      assert.equal(row?.version, 2);
      assert.match(succeeded(await app.run(["deploy"])), /no changes/);
    });

    test("a dry run and types ask for nothing; --containers-rollout=immediate makes one step, and none leaves containers alone", async () => {
      const before = await versionIds();
      await app.write(config({}, { image: `${REGISTRY}/${ACCOUNT}/app:one`, rollout_step_percentage: [10, 50, 100] }), code("two"));
      assert.match(succeeded(await app.run(["deploy", "--dry-run"])), /--dry-run: exiting now/);
      assert.match(succeeded(await app.run(["types"])), /BOX/);
      assert.deepEqual(await versionIds(), before);
      const rollouts = async () => (await harness.call("GET", `containers/applications/${applicationId()}/rollouts`)).result;
      if (release.label.includes("4.164")) {
        const known = (await rollouts()).length;
        succeeded(await app.run(["deploy", "--containers-rollout=none"]));
        assert.equal((await rollouts()).length, known);
        assert.deepEqual(
          harness.workers.running.get(NAME)?.version.containers.map(({ className }) => className),
          ["Box"],
        );
      }
      succeeded(await app.run(["deploy", "--containers-rollout=immediate"]));
      const [newest] = await rollouts();
      assert.deepEqual(
        newest.steps.map((each: { step_size: { percentage: number } }) => each.step_size.percentage),
        [100],
      );
      await until(async () => (await rollouts())[0].status === "completed");
      await app.write(config({}, { image: `${REGISTRY}/${ACCOUNT}/app:two` }), code("two"));
    });

    test("containers list, info, instances", async () => {
      harness.engine.all.clear();
      const instance = harness.engine.startInstance(NAME);
      assert.match(succeeded(await app.run(["containers", "list"])), /boxes-box/);
      const info = succeeded(await app.run(["containers", "info", applicationId()]));
      assert.match(info, /boxes-box/);
      const instances = succeeded(await app.run(["containers", "instances", applicationId(), "--json"]));
      assert.match(instances, new RegExp(instance.durableObjectId));
      assert.match(instances, /running/);
    });

    test("secrets: put, list, bulk, delete, kept by a deploy, never shown", async () => {
      succeeded(await app.run(["secret", "put", "PASSWORD"], { stdin: "swordfish" }));
      assert.deepEqual(harness.workers.binding(NAME, "PASSWORD"), { type: "secret_text", name: "PASSWORD", text: "swordfish" });
      succeeded(await app.run(["secret", "bulk"], { stdin: JSON.stringify({ KEY: "k1", PASSWORD: "tuna" }) }));
      const list = succeeded(await app.run(["secret", "list"]));
      assert.match(list, /PASSWORD/);
      assert.match(list, /KEY/);
      assert.doesNotMatch(list, /tuna|k1/);
      succeeded(await app.run(["deploy"]));
      assert.deepEqual(harness.workers.binding(NAME, "PASSWORD"), { type: "secret_text", name: "PASSWORD", text: "tuna" });
      assert.deepEqual(harness.workers.binding(NAME, "GREETING"), { type: "plain_text", name: "GREETING", text: "hello" });
      succeeded(await app.run(["secret", "delete", "KEY"]));
      assert.equal(harness.workers.binding(NAME, "KEY"), undefined);
    });

    test("versions: list, view, upload, deploy", async () => {
      const [running] = await versionIds();
      assert.match(succeeded(await app.run(["versions", "list"])), new RegExp(running ?? "-"));
      assert.match(succeeded(await app.run(["versions", "view", running ?? ""])), /PASSWORD/);
      await app.write(config({}, { image: `${REGISTRY}/${ACCOUNT}/app:two` }), code("three"));
      succeeded(await app.run(["versions", "upload", "--message", "third"]));
      const [uploaded] = await versionIds();
      assert.notEqual(uploaded, running);
      assert.equal(harness.workers.running.get(NAME)?.version.id, running);
      succeeded(await app.run(["versions", "deploy", `${uploaded}@100%`, "-y"]));
      assert.equal(harness.workers.running.get(NAME)?.version.id, uploaded);
      assert.match(succeeded(await app.run(["deployments", "list"])), new RegExp(uploaded ?? "-"));
      assert.match(succeeded(await app.run(["deployments", "status"])), new RegExp(uploaded ?? "-"));
    });

    test("rollback", async () => {
      const now = harness.workers.running.get(NAME)?.version.id;
      succeeded(await app.run(["rollback", "-y", "--message", "back"]));
      assert.notEqual(harness.workers.running.get(NAME)?.version.id, now);
    });

    test("code that throws at start is refused in workerd's words; the old version runs on", async () => {
      const version = harness.workers.running.get(NAME)?.version.id;
      harness.workers.checkFailure = new LongshoreError("INVALID_INPUT", "Uncaught Error: no luck today at index.js:1");
      assert.match(failed(await app.run(["deploy"])), /no luck today/);
      harness.workers.checkFailure = undefined;
      assert.equal(harness.workers.running.get(NAME)?.version.id, version);
    });

    test("containers delete, then deploy makes it anew", async () => {
      const id = applicationId();
      succeeded(await app.run(["containers", "delete", id]));
      assert.deepEqual(harness.engine.tenants.get(NAME)?.classes, []);
      succeeded(await app.run(["deploy"]));
      assert.notEqual(applicationId(), id);
    });

    test("delete takes everything along", async () => {
      succeeded(await app.run(["delete", "--force"]));
      assert.equal(harness.workers.running.has(NAME), false);
      assert.equal(harness.engine.tenants.has(NAME), false);
      assert.deepEqual((await harness.call("GET", "containers/applications")).result, []);
      assert.deepEqual(await harness.control.scripts(), []);
    });

    test("a plain Worker: modules of other kinds, an upload as version and deployment", async () => {
      const plain = await WranglerApp.create(harness, release, "plain");
      const settings = {
        name: "plain",
        rules: [
          { type: "Text", globs: ["**/*.txt"] },
          { type: "Data", globs: ["**/*.bin"] },
        ],
        upload_source_maps: true,
      };
      const source = (word: string): string =>
        `import text from "./a.txt"; import data from "./b.bin"; export default { fetch: () => new Response(text + data + "${word}") };`;
      await writeFile(join(plain.directory, "src/a.txt"), "text");
      await writeFile(join(plain.directory, "src/b.bin"), "data");
      for (const word of ["one", "two"]) {
        await plain.write(settings, source(word));
        succeeded(await plain.run(["deploy"]));
      }
      const version = harness.workers.running.get("plain")?.version;
      assert.equal(version?.number, 2);
      assert.deepEqual(version?.modules.map((each) => each.kind).sort(), ["data", "esModule", "text"]);
      await plain.write({ ...settings, workers_dev: false }, source("two"));
      succeeded(await plain.run(["deploy"]));
      assert.equal((await harness.control.scripts()).find((each) => each.name === "plain")?.enabled, false);
      succeeded(await plain.run(["delete"]));
    });

    test("a secret for a Worker that does not exist yet makes a draft", async () => {
      const draft = await WranglerApp.create(harness, release, "draft");
      await draft.write({ name: "draft" }, code("draft"));
      succeeded(await draft.run(["secret", "put", "EARLY"], { stdin: "bird" }));
      succeeded(await draft.run(["deploy"]));
      assert.deepEqual(harness.workers.binding("draft", "EARLY"), { type: "secret_text", name: "EARLY", text: "bird" });
      succeeded(await draft.run(["delete", "--force"]));
    });

    test("registry credentials", async () => {
      const output = succeeded(await app.run(["containers", "registries", "credentials", REGISTRY, "--pull"]));
      assert.match(output, /password for pull/);
    });

    test("custom size, observability, other limits: a second deploy finds no changes, and a limit alone moves nothing", async () => {
      const size = { vcpu: 1, memory_mib: 3072, disk_mb: 5000 };
      const observability = { observability: { enabled: true } };
      const container = { instance_type: size, rollout_active_grace_period: 30, rollout_step_percentage: [10, 100] };
      await app.write(config({ ...observability }, container), code("one"));
      succeeded(await app.run(["deploy"]));
      assert.match(succeeded(await app.run(["deploy"])), /no changes/);
      const instance = harness.engine.startInstance(NAME, { createdAt: "2026-01-01T00:00:00Z" });
      await app.write(config({ ...observability }, { ...container, max_instances: 9 }), code("one"));
      assert.doesNotMatch(succeeded(await app.run(["deploy"])), /no changes/);
      assert.equal(harness.engine.tenants.get(NAME)?.classes[0]?.maxInstances, 9);
      await until(
        async () => (await harness.call("GET", `containers/applications/${applicationId()}`)).result.active_rollout_id === undefined,
      );
      assert.equal(harness.engine.all.get(instance.id)?.status, "running");
      succeeded(await app.run(["delete", "--force"]));
    });

    test("cron triggers are set with the deploy; a custom size out of bounds is refused in words", async () => {
      await app.write(config({ triggers: { crons: ["* * * * *"] } }), code("one"));
      const { code: exit, output } = await app.run(["deploy"]);
      assert.equal(exit, 0, output);
      assert.match(output, /schedule: \* \* \* \* \*/);
      await app.write(config({}, { instance_type: { vcpu: 0.5, memory_mib: 512 } }), code("one"));
      assert.match(failed(await app.run(["deploy"])), /less than 1, the least of a custom instance type/);
      succeeded(await app.run(["delete", "--force"]));
    });

    test("a class that is not bound has its container all the same", async () => {
      await app.write(config({ durable_objects: undefined }), code("one"));
      succeeded(await app.run(["deploy"]));
      assert.equal(harness.engine.tenants.get(NAME)?.classes[0]?.className, "Box");
    });
  });
}
