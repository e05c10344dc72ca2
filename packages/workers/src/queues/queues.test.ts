import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { QueueSettings, WorkerBinding, WorkerTarget } from "@longshore/contract";
import { COUNTER_ID, fetchText, hexId, hostOptions, Modules, temporaryDirectory, testHost } from "../fixtures.js";
import { createWorkerHost } from "../host.js";
import type { RunningWorkerHost } from "../host-options.js";
import { scriptPlaces } from "../layout.js";
import { readLiveRecord } from "../process/record.js";

const DEADLINE = { timeout: 120_000 };
const QUEUE = hexId("queue");
const DEAD = hexId("dead");
const bindings: WorkerBinding[] = [
  { type: "queue", name: "Q", queueId: QUEUE, queueName: "jobs" },
  { type: "queue", name: "LATE", queueId: QUEUE, queueName: "jobs", deliveryDelay: 2 },
  { type: "durable_object_namespace", name: "SEEN", className: "Seen", namespaceId: COUNTER_ID },
];

/** Sends what the path says, and keeps what comes in a Durable Object. */
const code = `import { DurableObject } from "cloudflare:workers";
export class Seen extends DurableObject {
  constructor(ctx, env) { super(ctx, env); ctx.storage.sql.exec("create table if not exists seen (n integer primary key, row text)"); }
  add(row) { this.ctx.storage.sql.exec("insert into seen (row) values (?)", JSON.stringify(row)); }
  all() { return this.ctx.storage.sql.exec("select row from seen order by n").toArray().map(({ row }) => JSON.parse(row)); }
}
const shown = (body) => body instanceof ArrayBuffer ? ["bytes", ...new Uint8Array(body)] : body instanceof Map ? ["map", ...body] : body;
const seen = (env) => env.SEEN.get(env.SEEN.idFromName("one"));
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const q = (name) => url.searchParams.get(name) ?? undefined;
    try {
      switch (url.pathname) {
        case "/seen": return Response.json(await seen(env).all());
        case "/send": await env[q("binding") ?? "Q"].send(JSON.parse(q("body")), JSON.parse(q("options") ?? "{}")); return new Response("sent");
        case "/large": await env.Q.send("x".repeat(200_000)); return new Response("sent");
        case "/kinds":
          await env.Q.sendBatch([
            { body: "täxt", contentType: "text" }, { body: { a: [1] }, contentType: "json" },
            { body: new Uint8Array([0, 255]), contentType: "bytes" }, { body: new Map([["k", 1]]), contentType: "v8" },
          ]);
          return new Response("sent");
      }
    } catch (error) { return new Response(error.message, { status: 500 }); }
  },
  async queue(batch, env) {
    for (const message of batch.messages) {
      const { id, attempts, body } = message;
      await seen(env).add({ queue: batch.queue, id, attempts, size: batch.messages.length, body: shown(body), at: Date.now() });
      if (body?.retry >= attempts) message.retry({ delaySeconds: body.delay ?? 0 });
      else if (body?.throw) throw new Error("no");
      else if (body?.slow) { await scheduler.wait(body.slow); await seen(env).add({ id, done: true, body }); message.ack(); }
      else message.ack();
    }
  },
};`;

interface Seen {
  readonly queue: string;
  readonly id: string;
  readonly attempts: number;
  readonly size: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever was sent
  readonly body: any;
  readonly at: number;
  readonly done?: true;
}

function target(modules: Modules, script = "app"): WorkerTarget {
  return { ...modules.target(script, code, { bindings }), namespaces: [{ id: COUNTER_ID, className: "Seen", sqlite: true }] };
}

function jobs(consumer: Partial<NonNullable<QueueSettings["consumer"]>> = {}): QueueSettings {
  return { id: QUEUE, name: "jobs", consumer: { script: "app", maxBatchTimeout: 0, ...consumer } };
}

const send = (host: RunningWorkerHost, body: unknown, query: Record<string, string> = {}) =>
  fetchText(host, "app", `/send?${new URLSearchParams({ body: JSON.stringify(body), ...query })}`);
const seen = async (host: RunningWorkerHost, script = "app") => JSON.parse(await fetchText(host, script, "/seen")) as Seen[];

async function until(host: RunningWorkerHost, enough: (all: Seen[]) => boolean, script = "app"): Promise<Seen[]> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    // Its process may be one that is just killed.
    const all = await seen(host, script).catch(() => []);
    if (enough(all)) return all;
    if (Date.now() > deadline) throw new Error(`not within a minute: ${enough}, but ${JSON.stringify(all)}`);
    await setTimeout(50);
  }
}

test("messages of every kind arrive, in batches, with delays; what was sent before there was a consumer too", DEADLINE, async () => {
  await using it = await testHost();
  const { host, modules } = it;
  await host.check(target(modules));
  await host.apply(target(modules));
  assert.equal(await send(host, "early"), "sent");
  assert.deepEqual(await host.queues.facts(QUEUE), { messages: 1, bytes: 7 });
  await host.queues.configure([jobs({ maxBatchSize: 4 })]);
  const [early] = await until(host, (all) => all.length === 1);
  assert.deepEqual([early?.queue, early?.attempts, early?.body], ["jobs", 1, "early"]);
  assert.equal(await fetchText(host, "app", "/kinds"), "sent");
  assert.match(await fetchText(host, "app", "/large"), /message length of 200002 bytes exceeds limit/);
  const kinds = (await until(host, (all) => all.length === 5)).slice(1);
  assert.deepEqual(
    kinds.map(({ body }) => body),
    ["täxt", { a: [1] }, ["bytes", 0, 255], ["map", ["k", 1]]],
  );
  assert.ok(kinds.every(({ size }) => size === 4));
  const sent = Date.now();
  await send(host, "late", { binding: "LATE" });
  await send(host, "soon", { binding: "LATE", options: '{"delaySeconds":1}' });
  const delayed = (await until(host, (all) => all.length === 7)).slice(5);
  const [soon, late] = ["soon", "late"].map((name) => delayed.find(({ body }) => body === name));
  assert.ok((soon?.at ?? 0) >= sent + 1000 && (late?.at ?? 0) >= sent + 2000);
  assert.deepEqual(await host.queues.facts(QUEUE), { messages: 0, bytes: 0 });
});

test("retried with its delay, given up into the dead letter queue or dropped; a paused queue keeps everything", DEADLINE, async () => {
  await using it = await testHost();
  const { host, modules } = it;
  await host.apply(target(modules));
  const dead: QueueSettings = { id: DEAD, name: "dead", consumer: { script: "app", maxBatchTimeout: 0 } };
  await host.queues.configure([jobs({ maxRetries: 1, deadLetterQueue: DEAD, maxBatchSize: 1 }), dead]);
  await send(host, { retry: 1, delay: 1 });
  const [first, second] = await until(host, (all) => all.length === 2);
  assert.deepEqual([first?.attempts, second?.attempts, first?.id], [1, 2, second?.id]);
  assert.ok((second?.at ?? 0) >= (first?.at ?? 0) + 1000);
  await send(host, { throw: 1 });
  const thrown = (await until(host, (all) => all.filter(({ body }) => body.throw).length >= 3)).filter(({ body }) => body.throw);
  assert.deepEqual(
    thrown.slice(0, 3).map(({ queue, attempts }) => [queue, attempts]),
    [
      ["jobs", 1],
      ["jobs", 2],
      ["dead", 1],
    ],
  );
  await host.queues.configure([]);
  await send(host, "kept");
  await setTimeout(300);
  assert.equal(
    (await seen(host)).some(({ body }) => body === "kept"),
    false,
  );
  await host.queues.configure([jobs()]);
  await until(host, (all) => all.some(({ body }) => body === "kept"));
});

test("a purged queue is empty and goes on; a destroyed one refuses everything; nobody reaches another's", DEADLINE, async () => {
  await using it = await testHost();
  const { host, modules } = it;
  await host.apply(target(modules));
  await host.apply(
    modules.target("other", code.replace("class Seen", "class Unused"), {
      bindings: [{ type: "queue", name: "Q", queueId: DEAD, queueName: "dead" }],
    }),
  );
  for (const body of ["a", "b"]) await send(host, body);
  await host.queues.purge(QUEUE);
  assert.deepEqual(await host.queues.facts(QUEUE), { messages: 0, bytes: 0 });
  await send(host, "c");
  assert.equal((await host.queues.facts(QUEUE)).messages, 1);
  assert.equal((await host.queues.facts(DEAD)).messages, 0);
  await fetchText(host, "other", `/send?body=1`);
  assert.equal((await host.queues.facts(DEAD)).messages, 1);
  assert.equal((await host.queues.facts(QUEUE)).messages, 1);
  await host.queues.destroy(QUEUE);
  assert.match(await send(host, "d"), /The queue is deleted/);
  assert.equal((await host.queues.facts(QUEUE)).messages, 0);
});

test("kill -9 of the queues' process, of the consumer's, and of both servers' loses nothing and costs no attempt", DEADLINE, async () => {
  await using directory = await temporaryDirectory();
  const modules = new Modules();
  const options = hostOptions(directory.path, modules);
  const pid = (script: string) => readLiveRecord(scriptPlaces(options.dataDirectory, options.runDirectory, script).record)?.pid ?? 0;
  const first = await createWorkerHost(options);
  await first.apply(target(modules));
  // One try is all that they have.
  const settings = [jobs({ maxRetries: 0, maxBatchSize: 1 })];
  await first.queues.configure(settings);
  const before = pid(".queues");
  assert.ok(before > 0);
  await first.detach();
  const second = await createWorkerHost(options);
  await second.queues.configure(settings);
  await second.apply(target(modules));
  assert.equal(pid(".queues"), before, "taken over as it was");
  const begun = (all: Seen[], body: string) => all.some((each) => each.body.name === body);
  const finished = (all: Seen[], body: string) => all.some((each) => each.done && each.body.name === body);
  for (const [name, victim] of [
    ["queues", ".queues"],
    ["consumer", "app"],
  ] as const) {
    await send(second, { name, slow: 2000 });
    await until(second, (all) => begun(all, name));
    process.kill(pid(victim), "SIGKILL");
    await until(second, (all) => finished(all, name));
  }
  // A change of another queue's consumer, while this one is at work.
  await send(second, { name: "changed", slow: 3000 });
  await until(second, (all) => begun(all, "changed"));
  await second.queues.configure([...settings, { id: DEAD, name: "dead", consumer: { script: "app" } }]);
  assert.notEqual(pid(".queues"), before);
  await until(second, (all) => finished(all, "changed"));
  // Everything ends in the middle of it.
  await send(second, { name: "restart", slow: 2000 });
  await until(second, (all) => begun(all, "restart"));
  await second.close();
  const third = await createWorkerHost(options);
  await third.queues.configure(settings);
  await setTimeout(500);
  await third.apply(target(modules));
  const all = await until(third, (each) => finished(each, "restart"));
  assert.ok(
    all.every(({ attempts = 1 }) => attempts === 1),
    JSON.stringify(all),
  );
  await third.close();
});
