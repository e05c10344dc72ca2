import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { WorkerUpstream } from "@longshore/contract";
import { oneConnection, send, testEdge, testPlatform } from "./fixtures.js";

const counter = (marker: string): string => `
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  async fetch() { const n = (this.ctx.storage.kv.get("n") ?? 0) + 1; this.ctx.storage.kv.put("n", n); return new Response(String(n)); }
}
export default { async fetch(request, env) {
  const n = await (await env.OBJECT.get(env.OBJECT.idFromName("one")).fetch(request)).text();
  return new Response("${marker} " + n);
} };`;

test("8 clients on kept connections see no failure while the process is replaced again and again", async () => {
  await using it = await testPlatform();
  await it.deploy("app", counter("v0"), "Counter");
  let running = true;
  const numbers: number[] = [];
  const versions = new Set<string>();
  const clients = Array.from({ length: 8 }, async (_, index) => {
    const agent = oneConnection();
    for (let turn = 0; running; turn++) {
      // Not repeatable and with a body every second time: nothing may depend on retries.
      const post = (turn + index) % 2 === 0;
      const answer = await send(it.port, "app.localhost", "/", { agent, method: post ? "POST" : "GET" }, post ? "body" : undefined);
      assert.equal(answer.status, 200, answer.text);
      const [version = "", number] = answer.text.split(" ");
      versions.add(version);
      numbers.push(Number(number));
    }
    agent.destroy();
  });
  try {
    for (const version of ["v1", "v2", "v3", "v4", "v5"]) await it.deploy("app", counter(version), "Counter");
  } finally {
    running = false;
  }
  await Promise.all(clients);
  assert.deepEqual(
    numbers.sort((a, b) => a - b),
    numbers.map((_, index) => index + 1),
    "each request was counted once",
  );
  assert.ok(versions.size > 2, `requests ran beside the replacements: ${[...versions]}`);
  assert.match((await send(it.port, "app.localhost")).text, /^v5 /);
  assert.deepEqual(it.messages, []);
});

test("requests that can be repeated survive a crash", async () => {
  await using it = await testPlatform();
  await it.deploy("app", `export default { async fetch() { return new Response("ok"); } };`);
  const record = () => JSON.parse(readFileSync(join(it.directory, "run/app/process.json"), "utf8")).pid as number;
  for (let i = 0; i < 2; i++) {
    assert.equal((await send(it.port, "app.localhost")).text, "ok");
    process.kill(record(), "SIGKILL");
    assert.equal((await send(it.port, "app.localhost")).text, "ok");
  }
});

test("a request that was under way when the process died is not sent twice, and says so", async () => {
  await using it = await testPlatform();
  const code = `let calls = 0; export default { async fetch(request) { calls++; if (request.method === "POST") { console.log("called"); await scheduler.wait(60_000); } return new Response("ok"); } };`;
  await it.deploy("app", code);
  const { watch } = await import("node:fs/promises");
  const stop = new AbortController();
  const logged = (async () => {
    for await (const _ of watch(it.host.logPath("app"), { signal: stop.signal }))
      if (readFileSync(it.host.logPath("app"), "utf8").includes("called")) return;
  })();
  const answer = send(it.port, "app.localhost", "/", { method: "POST" }, "x");
  await logged;
  stop.abort();
  process.kill(JSON.parse(readFileSync(join(it.directory, "run/app/process.json"), "utf8")).pid, "SIGKILL");
  const { status, text } = await answer;
  assert.equal(status, 502);
  assert.match(text, /process of the Worker "app" ended while it handled this request/);
});

test("a hold lets others pass while it waits for what takes long, then holds, and cuts what has not ended", async () => {
  await using it = await testPlatform();
  await it.deploy("app", `export default { async fetch(request) { return new Response(await request.text() || "ok"); } };`);
  const { request } = await import("node:http");
  const upload = (words: string) => {
    const outgoing = request({
      host: "127.0.0.1",
      port: it.port,
      method: "POST",
      path: "/",
      headers: { host: "app.localhost" },
      agent: false,
    });
    outgoing.write(words);
    return outgoing;
  };
  const slow = upload("first ");
  await once(slow, "socket");
  // Once another request on a later connection was answered, this one is under way too.
  await send(it.port, "app.localhost");
  const holding = it.edge.hold(["app"], 60_000);
  let held = false;
  void holding.then(() => (held = true));
  for (let count = 0; count < 20; count++) assert.equal((await send(it.port, "app.localhost", "/meanwhile")).text, "ok");
  assert.equal(held, false, "the upload is still under way");
  slow.end("second");
  const [message] = await once(slow, "response");
  assert.equal((await once(message, "data"))[0].toString(), "first second");
  await using hold = await holding;
  const waiting = send(it.port, "app.localhost", "/later");
  await send(it.port, "nobody.localhost");
  assert.equal(await Promise.race([waiting, Promise.resolve("held")]), "held");
  await hold[Symbol.asyncDispose]();
  assert.equal((await waiting).text, "ok");

  // What does not end by itself is not waited for beyond the deadline.
  const stuck = upload("never ends");
  const answered = once(stuck, "response");
  await send(it.port, "app.localhost");
  const last = await it.edge.hold(["app"], 30);
  last.cut("app");
  assert.equal((await answered)[0].statusCode, 502);
  const next = send(it.port, "app.localhost");
  await last[Symbol.asyncDispose]();
  assert.equal((await next).text, "ok");
});

test("held too long, unavailable, and nobody listening: 503 with the reason", async () => {
  const state: { now: ReturnType<WorkerUpstream["upstream"]> } = { now: { unavailable: 'The Worker "app" stopped: last words' } };
  const listeners = new Set<(script: string) => void>();
  const upstream: WorkerUpstream = {
    upstream: (script) => (script === "app" ? state.now : undefined),
    onChange: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  await using it = await testEdge(upstream, { holdDeadlineMs: 50 });
  const answer = await send(it.port, "app.localhost");
  assert.deepEqual([answer.status, answer.text], [503, 'The Worker "app" stopped: last words\n']);
  assert.equal(answer.message.headers["retry-after"], "1");

  state.now = { socketPath: "/nonexistent/http.sock" };
  const refused = await send(it.port, "app.localhost", "/", { method: "POST" }, "body");
  assert.equal(refused.status, 503);
  assert.match(refused.text, /"app" was being replaced or restarted, and was not back within 0\.05 s/);

  const hold = await it.edge.hold(["app"], 0);
  assert.equal((await send(it.port, "app.localhost")).status, 503);
  await hold[Symbol.asyncDispose]();

  await using patient = await testEdge(upstream);
  const waiting = send(patient.port, "app.localhost", "/", { method: "POST" }, "body");
  await send(patient.port, "nobody.localhost");
  const server = createServer((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback"));
  });
  const path = join(process.env.TMPDIR ?? "/tmp", `le-${process.pid}.sock`);
  server.listen(path);
  await once(server, "listening");
  state.now = { socketPath: path };
  for (const listener of listeners) listener("app");
  assert.equal((await waiting).text, "back");
  server.close();
});
