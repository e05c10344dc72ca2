import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { Harness, scriptForm } from "./test-support/harness.js";

describe("queues", () => {
  let api: Harness;
  before(async () => {
    api = await Harness.start();
    await api.call("PUT", "workers/scripts/worker", scriptForm({}));
  });
  after(() => api[Symbol.asyncDispose]());

  const create = async (queue_name: string, settings?: object): Promise<string> =>
    (await api.call("POST", "queues", { queue_name, settings })).result.queue_id;
  const consumer = (changes: object = {}) => ({ type: "worker", script_name: "worker", settings: {}, ...changes });

  test("created, found by name, changed, paused, purged, deleted; they outlive a restart", async () => {
    const id = await create("jobs", { delivery_delay: 5 });
    assert.deepEqual(api.queues.settings, [{ id, name: "jobs", deliveryDelay: 5 }]);
    assert.equal((await api.call("POST", "queues", { queue_name: "jobs" })).status, 409);
    await create("others");
    await api.restart();
    const found = await api.call("GET", "queues?page=1&name=jobs");
    assert.deepEqual([found.result.length, found.result[0].queue_id, found.result[0].settings.delivery_delay], [1, id, 5]);
    assert.deepEqual((await api.call("GET", "queues?page=2")).result, []);
    assert.equal((await api.call("PATCH", `queues/${id}`, { settings: { delivery_delay: 0, delivery_paused: true } })).success, true);
    assert.equal((await api.call("GET", `queues/${id}`)).result.settings.delivery_paused, true);
    assert.deepEqual((await api.call("GET", `queues/${id}/metrics`)).result, { backlog_count: 2, backlog_bytes: 20 });
    assert.equal((await api.call("POST", `queues/${id}/purge`, {})).status, 400);
    assert.equal((await api.call("POST", `queues/${id}/purge`, { delete_messages_permanently: true })).success, true);
    assert.equal((await api.call("DELETE", `queues/${id}`)).success, true);
    assert.deepEqual([api.queues.purged, api.queues.destroyed], [[id], [id]]);
    assert.equal((await api.call("GET", `queues/${id}`)).status, 404);
  });

  test("a consumer, with all its settings; one to a queue; gone with its Worker", async () => {
    const [id, dead] = [await create("work"), await create("work-dead")];
    const settings = { batch_size: 20, max_retries: 0, max_wait_time_ms: 1500, max_concurrency: 2, retry_delay: 7 };
    const added = await api.call("POST", `queues/${id}/consumers`, consumer({ settings, dead_letter_queue: "work-dead" }));
    assert.equal(added.success, true, JSON.stringify(added.errors));
    const told = () => api.queues.settings.find((each) => each.id === id)?.consumer;
    const all = { maxBatchSize: 20, maxRetries: 0, maxBatchTimeout: 1.5, maxConcurrency: 2, retryDelay: 7 };
    assert.deepEqual(told(), { script: "worker", ...all, deadLetterQueue: dead });
    assert.equal((await api.call("POST", `queues/${id}/consumers`, consumer())).status, 409);
    assert.equal((await api.call("DELETE", `queues/${dead}`)).status, 409);
    const { consumer_id } = added.result;
    await api.call("PUT", `queues/${id}/consumers/${consumer_id}`, consumer());
    assert.deepEqual(told(), { script: "worker" });
    await api.call("PATCH", `queues/${id}`, { settings: { delivery_paused: true } });
    assert.equal(told(), undefined);
    await api.call("PATCH", `queues/${id}`, { settings: { delivery_paused: false } });
    await api.restart();
    api.queues.settings = [];
    await api.control.resume(AbortSignal.timeout(60_000));
    assert.deepEqual(told(), { script: "worker" });
    const [shown] = (await api.call("GET", "queues?name=work")).result[0].consumers;
    assert.deepEqual([shown.consumer_id, shown.type, shown.script, shown.settings.batch_size], [consumer_id, "worker", "worker", 10]);
    await api.call("DELETE", "workers/scripts/worker");
    assert.equal(told(), undefined);
    assert.deepEqual((await api.call("GET", `queues/${id}/consumers`)).result, []);
    await api.call("PUT", "workers/scripts/worker", scriptForm({}));
  });

  test("what cannot be is refused, and changes nothing; nor does a queues' process that does not come up", async () => {
    const id = await create("strict");
    const before = (await api.call("GET", `queues/${id}`)).result;
    for (const body of [
      consumer({ script_name: "nobody" }),
      consumer({ dead_letter_queue: "nowhere" }),
      consumer({ type: "http_pull" }),
      consumer({ settings: { batch_size: 101 } }),
      consumer({ settings: { max_wait_time_ms: 60_001 } }),
    ])
      assert.equal((await api.call("POST", `queues/${id}/consumers`, body)).success, false, JSON.stringify(body));
    for (const body of [{ queue_name: "-x" }, { queue_name: "a b" }, { queue_name: "x", settings: { message_retention_period: 60 } }])
      assert.equal((await api.call("POST", "queues", body)).success, false, JSON.stringify(body));
    api.queues.failure = new LongshoreError("INTERNAL", "no process");
    assert.equal((await api.call("POST", `queues/${id}/consumers`, consumer())).status, 500);
    api.queues.failure = undefined;
    assert.deepEqual((await api.call("GET", `queues/${id}`)).result, before);
  });

  test("a binding must name a queue; the queue names its producers, and the binding is shown as clients know it", async () => {
    const id = await create("bound");
    const deploy = (binding: object) =>
      api.call("PUT", "workers/scripts/producer", scriptForm({ bindings: [{ type: "queue", name: "Q", ...binding }] }));
    const missing = await deploy({ queue_name: "none" });
    assert.deepEqual([missing.status, missing.errors[0]?.code], [400, 10_021]);
    assert.match(missing.errors[0]?.message ?? "", /there is no queue "none"\. Create it: `wrangler queues create none`/);
    assert.equal((await deploy({ queue_name: "bound", delivery_delay: 3 })).success, true);
    assert.deepEqual(api.workers.binding("producer", "Q"), { type: "queue", name: "Q", queueId: id, queueName: "bound", deliveryDelay: 3 });
    const shown = (await api.call("GET", "workers/scripts/producer/settings")).result.bindings;
    assert.deepEqual(shown, [{ type: "queue", name: "Q", queue_name: "bound", delivery_delay: 3 }]);
    const queue = (await api.call("GET", `queues/${id}`)).result;
    assert.deepEqual([queue.producers, queue.producers_total_count], [[{ type: "worker", script: "producer" }], 1]);
    await api.call("DELETE", `queues/${id}`);
    const again = await api.call("PUT", "workers/scripts/producer", scriptForm({ bindings: [{ type: "inherit", name: "Q" }] }));
    assert.match(again.errors[0]?.message ?? "", /the queue "bound" is deleted/);
    const anew = await create("bound");
    assert.equal(
      (await api.call("PUT", "workers/scripts/producer", scriptForm({ bindings: [{ type: "inherit", name: "Q" }] }))).success,
      true,
    );
    assert.equal((api.workers.binding("producer", "Q") as { queueId: string }).queueId, anew);
  });
});
