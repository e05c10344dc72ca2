import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after } from "node:test";
import { runDirectory } from "@longshore/server";
import { appDirectory, eventually, platformSuite, type WranglerVersion } from "@longshore/testkit";

const SECRET_DEADLINE_MS = 60_000;
const QUEUE_DEADLINE_MS = 60_000;

const { test } = platformSuite({ images: [] });

test("a secret of the store is read by its Worker, seen when it changes, kept over kill -9, and nowhere in plain text", async (platform) => {
  const name = "keeper";
  const directory = appDirectory({
    files: { "index.js": "export default { async fetch(request, env) { return new Response(await env.KEY.get()); } };" },
  });
  after(() => directory[Symbol.dispose]());
  const base = { name, main: "index.js", compatibility_date: "2026-01-01" };
  directory.write("wrangler.json", JSON.stringify(base));
  const store = async (version: WranglerVersion, ...args: string[]): Promise<string> => {
    const { code: exit, stdout, stderr } = await platform.wrangler(directory.path, ["secrets-store", ...args, "--remote"], { version });
    assert.equal(exit, 0, `${stdout}\n${stderr}`);
    return /ID: ([0-9a-f]{32})/.exec(stdout)?.[1] ?? "";
  };
  const id = await store("4.86", "store", "create", "main");
  const [first, second] = ["plain-7f3a-first", "plain-7f3a-second"];
  const secret = await store("4.86", "secret", "create", id, "--name", "API_KEY", "--value", first, "--scopes", "workers");
  directory.write(
    "wrangler.json",
    JSON.stringify({ ...base, secrets_store_secrets: [{ binding: "KEY", store_id: id, secret_name: "API_KEY" }] }),
  );
  await platform.deploy(directory.path);
  const pid = platform.pid({ workerd: name });
  assert.equal(await (await platform.fetch(name, "/")).text(), first);
  await store("latest", "secret", "update", id, "--secret-id", secret, "--value", second);
  const changed = async () => (await (await platform.fetch(name, "/")).text()) === second || undefined;
  await eventually("the changed secret", SECRET_DEADLINE_MS, changed);
  assert.equal(platform.pid({ workerd: name }), pid, "without a new process");
  await platform.kill({ workerd: name });
  assert.equal(await (await platform.fetch(name, "/")).text(), second);
  await platform.kill("server");
  await eventually("an answer of the next server", SECRET_DEADLINE_MS, () => changed().catch(() => undefined));
  // The brackets keep the search from finding itself.
  const search = `grep -rls 'plain-7f3[a]-' -D skip '${platform.data}' '${runDirectory(platform.data)}' /proc/[0-9]*/cmdline || true`;
  assert.equal(execFileSync("sh", ["-c", search], { encoding: "utf8" }), "");
});

test("messages sent through a queue arrive at another Worker, in both wranglers' deploys, and outlive kill -9 of either end", async (platform) => {
  const base = { main: "index.js", compatibility_date: "2026-01-01" };
  const producer = appDirectory({
    files: {
      "wrangler.json": JSON.stringify({ ...base, name: "producer", queues: { producers: [{ binding: "Q", queue: "jobs" }] } }),
      "index.js":
        "export default { async fetch(request, env) { await env.Q.send(await request.json()); return new Response(null, { status: 204 }); } };",
    },
  });
  const settings = { queue: "jobs", max_batch_timeout: 0, max_retries: 1, dead_letter_queue: "dead" };
  const consumer = appDirectory({
    files: {
      "wrangler.json": JSON.stringify({
        ...base,
        name: "consumer",
        durable_objects: { bindings: [{ name: "SEEN", class_name: "Seen" }] },
        migrations: [{ tag: "v1", new_sqlite_classes: ["Seen"] }],
        queues: { consumers: [settings, { queue: "dead", max_batch_timeout: 0 }] },
      }),
      "index.js": `import { DurableObject } from "cloudflare:workers";
export class Seen extends DurableObject {
  async add(row) { await this.ctx.storage.put("all", [...await this.all(), row]); }
  async all() { return await this.ctx.storage.get("all") ?? []; }
}
export default {
  async fetch(request, env) { return Response.json(await env.SEEN.getByName("one").all()); },
  async queue(batch, env) {
    for (const { body, attempts } of batch.messages) {
      await env.SEEN.getByName("one").add([batch.queue, body.n, attempts]);
      if (body.slow) await scheduler.wait(body.slow);
      if (body.bad && batch.queue !== "dead") throw new Error("bad");
    }
  },
};`,
    },
  });
  for (const each of [producer, consumer]) after(() => each[Symbol.dispose]());
  const queues = async (version: WranglerVersion, ...args: string[]): Promise<string> => {
    const { code: exit, stdout, stderr } = await platform.wrangler(producer.path, ["queues", ...args], { version });
    assert.equal(exit, 0, `${stdout}\n${stderr}`);
    return stdout;
  };
  await queues("4.86", "create", "jobs");
  await queues("latest", "create", "dead");
  await platform.deploy(producer.path);
  const send = async (message: object) => {
    const response = await platform.fetch("producer", "/", { method: "POST", body: JSON.stringify(message) });
    assert.equal(response.status, 204, await response.text());
  };
  await send({ n: "before there was a consumer" });
  await platform.deploy(consumer.path, { version: "latest" });
  const arrived = (...row: unknown[]) =>
    eventually(`${row}`, QUEUE_DEADLINE_MS, async () => {
      // One of its processes may just be killed.
      const response = await platform.fetch("consumer", "/").catch(() => undefined);
      const rows = response?.ok === true ? await response.text() : "";
      return rows.includes(JSON.stringify(row)) || undefined;
    });
  await arrived("jobs", "before there was a consumer", 1);
  await send({ n: "bad", bad: true });
  await arrived("jobs", "bad", 2);
  await arrived("dead", "bad", 1);
  for (const workerd of [".queues", "consumer"]) {
    await send({ n: `slow ${workerd}`, slow: 1500 });
    await arrived("jobs", `slow ${workerd}`, 1);
    await platform.kill({ workerd });
    await send({ n: `after ${workerd}` });
    await arrived("jobs", `after ${workerd}`, 1);
  }
  await queues("latest", "pause-delivery", "jobs");
  await send({ n: "kept" });
  await platform.killEverything();
  await platform.upAgain();
  assert.match(await queues("4.86", "info", "jobs"), /Producers: worker:producer[\s\S]*Consumers: worker:consumer/);
  await queues("4.86", "resume-delivery", "jobs");
  await arrived("jobs", "kept", 1);
});
