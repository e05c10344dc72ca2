import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Harness } from "./harness.js";
import { failed, succeeded, WranglerApp, type WranglerRelease } from "./wrangler.js";

function code(greeting: string): string {
  return `export default { fetch() { return new Response(${JSON.stringify(greeting)}); }, queue() {} };`;
}

/** What belongs to the account rather than to one Worker, by the real wrangler: as `wranglerSuite`, beside it. */
export function wranglerAccountSuite(release: WranglerRelease): void {
  describe(`${release.label}, the account's`, () => {
    let harness: Harness;
    let app: WranglerApp;

    before(async () => {
      harness = await Harness.start();
      app = await WranglerApp.create(harness, release, "app");
      await app.write({ name: "app" }, code("app"));
    });
    after(() => harness[Symbol.asyncDispose]());

    test("other registries: configured with a secret in a new store, listed, refused a second time, deleted with the secret", async () => {
      const registry = (args: readonly string[], stdin = "") => app.run(["containers", "registries", ...args], { stdin });
      const ecr = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
      const options = ["--secret-name", "REGISTRY_KEY", "--skip-confirmation"];
      const hub = ["configure", "docker.io", "--dockerhub-username", "me", ...options];
      succeeded(await registry(hub, "hub-token"));
      succeeded(await registry(["configure", ecr, "--aws-access-key-id", "AKIDEXAMPLE", ...options], "not used: the secret is there"));
      const listed = succeeded(await registry(["list", "--json"]));
      assert.match(listed, /"domain": "docker\.io"[\s\S]*"REGISTRY_KEY"|"REGISTRY_KEY"[\s\S]*"domain": "docker\.io"/);
      assert.match(listed, /dkr\.ecr/);
      assert.doesNotMatch(listed, /hub-token/);
      assert.match(failed(await registry(hub, "other")), /already exists/);
      for (const domain of [ecr, "docker.io"]) succeeded(await registry(["delete", domain, "-y"]));
      const [store] = (await harness.call("GET", "secrets_store/stores")).result;
      assert.deepEqual((await harness.call("GET", `secrets_store/stores/${store.id}/secrets`)).result, []);
      await harness.call("DELETE", `secrets_store/stores/${store.id}`);
    });

    test("Secrets Store: stores and secrets by every command, and a Worker that is bound to one", async () => {
      const bound = await WranglerApp.create(harness, release, "bound");
      await bound.write({ name: "bound" }, code("bound"));
      const run = async (...args: string[]) => succeeded(await bound.run(["secrets-store", ...args, "--remote"], { stdin: "swordfish" }));
      const idIn = (output: string) => /\b[0-9a-f]{32}\b/.exec(output)?.[0] ?? assert.fail(output);
      const store = idIn((await run("store", "create", "main")).replace(/Creating.*/, ""));
      assert.match(await run("store", "list"), /main/);
      const created = await run("secret", "create", store, "--name", "KEY", "--scopes", "workers", "--comment", "first");
      const secret = idIn(created.slice(created.indexOf("Created secret")));
      assert.match(await run("secret", "get", store, "--secret-id", secret), /KEY[\s\S]*first[\s\S]*active/);
      await run("secret", "duplicate", store, "--secret-id", secret, "--name", "COPY", "--scopes", "workers");
      await run("secret", "update", store, "--secret-id", secret, "--value", "pike", "--comment", "second");
      const list = await run("secret", "list", store);
      assert.match(list, /COPY[\s\S]*KEY[\s\S]*second/);
      assert.doesNotMatch(list, /swordfish|pike/);
      assert.deepEqual(
        [await harness.control.readSecret(store, "KEY"), await harness.control.readSecret(store, "COPY")],
        ["pike", "swordfish"],
      );
      await bound.write({ name: "bound", secrets_store_secrets: [{ binding: "S", store_id: store, secret_name: "KEY" }] }, code("bound"));
      succeeded(await bound.run(["deploy"]));
      assert.deepEqual(harness.workers.binding("bound", "S"), {
        type: "secrets_store_secret",
        name: "S",
        storeId: store,
        secretName: "KEY",
      });
      await run("secret", "delete", store, "--secret-id", secret);
      assert.match(failed(await bound.run(["deploy"])), /"KEY" of the store [0-9a-f]{32} is not there/);
      await run("store", "delete", store);
      assert.match(failed(await bound.run(["secrets-store", "store", "list", "--remote"])), /no stores/);
      succeeded(await bound.run(["delete", "--force"]));
    });

    test("queues: every command, and a deploy with a producer and a consumer, again and without it", async () => {
      const queues = await WranglerApp.create(harness, release, "queues");
      const run = async (...args: string[]) => succeeded(await queues.run(["queues", ...args]));
      const settings = {
        producers: [{ binding: "Q", queue: "jobs" }],
        consumers: [
          {
            queue: "jobs",
            max_batch_size: 3,
            max_batch_timeout: 1,
            max_retries: 0,
            dead_letter_queue: "dead",
            retry_delay: 4,
            max_concurrency: 5,
          },
        ],
      };
      await queues.write({ name: "queues", queues: settings }, code("queues"));
      assert.match(failed(await queues.run(["deploy"])), /(Queue "jobs"|dead letter queue "dead") does not exist/);
      // Newer ones make a producer's queue themselves.
      for (const { queue_id } of (await harness.call("GET", "queues")).result) await harness.call("DELETE", `queues/${queue_id}`);
      harness.queues.destroyed.length = 0;
      assert.match(await run("create", "jobs", "--delivery-delay-secs", "1"), /Created queue/);
      await run("create", "dead");
      assert.match(await run("list"), /dead[\s\S]*jobs/);
      const told = () => harness.queues.settings.find(({ name }) => name === "jobs");
      assert.equal(told()?.deliveryDelay, 1);
      assert.match(succeeded(await queues.run(["deploy"])), /Producer for jobs[\s\S]*Consumer for jobs/);
      const id = told()?.id ?? assert.fail();
      const { queueId, queueName } = harness.workers.binding("queues", "Q") as { queueId: string; queueName: string };
      assert.deepEqual([queueId, queueName], [id, "jobs"]);
      const consumer = { script: "queues", maxBatchSize: 3, maxBatchTimeout: 1, maxRetries: 0, retryDelay: 4, maxConcurrency: 5 };
      const dead = harness.queues.settings.find(({ name }) => name === "dead")?.id;
      assert.deepEqual(told()?.consumer, { ...consumer, deadLetterQueue: dead });
      const less = settings.consumers.map(({ dead_letter_queue: _dead, ...each }) => each);
      await queues.write({ name: "queues", queues: { ...settings, consumers: less } }, code("queues"));
      succeeded(await queues.run(["deploy"]));
      assert.deepEqual(told()?.consumer, consumer);
      assert.match(await run("info", "jobs"), /Producers: worker:queues[\s\S]*Consumers: worker:queues/);
      await run("pause-delivery", "jobs");
      assert.equal(told()?.consumer, undefined);
      await run("resume-delivery", "jobs");
      await run("update", "jobs", "--delivery-delay-secs", "9");
      assert.equal(told()?.deliveryDelay, 9);
      await run("consumer", "remove", "jobs", "queues");
      assert.equal(told()?.consumer, undefined);
      await run("consumer", "add", "jobs", "queues", "--batch-size", "7", "--message-retries", "1", "--batch-timeout", "2");
      assert.deepEqual(told()?.consumer, { script: "queues", maxBatchSize: 7, maxRetries: 1, maxBatchTimeout: 2 });
      await run("purge", "jobs", "--force");
      assert.deepEqual(harness.queues.purged, [id]);
      assert.match(failed(await queues.run(["queues", "consumer", "http", "add", "jobs"])), /"http_pull" is not served/);
      for (const name of ["jobs", "dead"]) await run("delete", name);
      assert.deepEqual(harness.queues.destroyed, [id, dead]);
      succeeded(await queues.run(["delete", "--force"]));
    });

    test("rate limits; what is not served is refused by name", async () => {
      const limits = [{ name: "LIMIT", namespace_id: "1001", simple: { limit: 5, period: 60 } }];
      await app.write({ name: "app", ratelimits: limits }, code("app"));
      succeeded(await app.run(["deploy"]));
      assert.deepEqual(harness.workers.binding("app", "LIMIT"), {
        type: "ratelimit",
        name: "LIMIT",
        namespaceId: "1001",
        limit: 5,
        period: 60,
      });
      succeeded(await app.run(["deploy"]));
      await app.write({ name: "app", analytics_engine_datasets: [{ binding: "POINTS", dataset: "points" }] }, code("app"));
      assert.match(failed(await app.run(["deploy"])), /"POINTS" \(analytics_engine\) is not served/);
    });
  });
}
