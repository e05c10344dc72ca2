import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { WorkerBinding } from "@longshore/contract";
import { fetchText, noHold, type TestHost, testHost } from "../fixtures.js";
import { createWorkerHost } from "../host.js";

const calledCode = (marker: string) => `
import { WorkerEntrypoint, RpcTarget } from "cloudflare:workers";
class Counter extends RpcTarget { n = 0; next() { return ++this.n; } }
export class Admin extends WorkerEntrypoint {
  who() { return "admin ${marker} " + JSON.stringify(this.ctx.props); }
  fetch(request) { return new Response("admin " + request.url); }
}
export default class extends WorkerEntrypoint {
  hello(name) { return "hello " + name + " ${marker}"; }
  counter() { return new Counter(); }
  async twice(f) { return [await f(1), await f(2)]; }
  fail() { throw new RangeError("too far"); }
  stream(bytes) { return new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array(bytes)); c.close(); } }); }
  async fetch(request) {
    if (request.headers.get("upgrade") === "websocket") {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener("message", (event) => server.send("echo " + event.data));
      return new Response(null, { status: 101, webSocket: client });
    }
    return new Response([request.method, request.url, await request.text(), request.cf?.colo].join(" "));
  }
}`;

const CALLS = {
  rpc: 'env.API.hello("you")',
  admin: "env.ADMIN.who()",
  adminFetch: 'env.ADMIN.fetch("https://some.example/x").then((r) => r.text())',
  fetch: 'env.API.fetch("https://any.example/path?q=1", { method: "POST", body: "sent", cf: { colo: "HAM" } }).then((r) => r.text())',
  counter: "(async () => { using c = await env.API.counter(); return [await c.next(), await c.next()]; })()",
  callback: "env.API.twice((n) => n * 10)",
  fail: 'env.API.fail().catch((e) => e.name + ": " + e.message)',
  stream: "env.API.stream(300000).then((s) => new Response(s).arrayBuffer()).then((b) => b.byteLength)",
  self: "env.SELF.who()",
  socket: `env.API.fetch("http://x/", { headers: { upgrade: "websocket" } }).then((r) => new Promise((done) => {
    r.webSocket.accept();
    r.webSocket.addEventListener("message", (event) => { done(event.data); r.webSocket.close(); });
    r.webSocket.send("hi");
  }))`,
};

const callerCode = `
import { WorkerEntrypoint } from "cloudflare:workers";
export class Mine extends WorkerEntrypoint { who() { return "mine " + JSON.stringify(this.ctx.props); } }
const calls = { ${Object.entries(CALLS)
  .map(([name, code]) => `${name}: (env) => ${code}`)
  .join(",\n")} };
export default { async fetch(request, env) {
  try { return Response.json(await calls[new URL(request.url).pathname.slice(1)](env)); } catch (e) { return new Response(e.stack, { status: 500 }); }
} };`;

const BINDINGS: readonly WorkerBinding[] = [
  { type: "service", name: "API", service: "called" },
  { type: "service", name: "ADMIN", service: "called", entrypoint: "Admin", props: { role: "é\"'" } },
  { type: "service", name: "SELF", service: "caller", entrypoint: "Mine", props: { a: 1 } },
];

async function call({ host }: Pick<TestHost, "host">, name: keyof typeof CALLS): Promise<unknown> {
  const answer = await fetchText(host, "caller", `/${name}`);
  try {
    return JSON.parse(answer);
  } catch {
    throw new Error(answer);
  }
}

test("a Worker calls another in a process of its own: fetch, methods, entrypoints, props, objects, functions, streams, WebSockets", async () => {
  await using it = await testHost();
  await it.host.apply(it.modules.target("called", calledCode("one")));
  const caller = it.modules.target("caller", callerCode, { bindings: BINDINGS });
  await it.host.check(caller);
  await it.host.apply(caller);
  assert.equal(await call(it, "rpc"), "hello you one");
  assert.equal(await call(it, "admin"), `admin one ${JSON.stringify({ role: "é\"'" })}`);
  assert.equal(await call(it, "adminFetch"), "admin https://some.example/x");
  assert.equal(await call(it, "fetch"), "POST https://any.example/path?q=1 sent HAM");
  assert.deepEqual(await call(it, "counter"), [1, 2]);
  assert.deepEqual(await call(it, "callback"), [10, 20]);
  assert.equal(await call(it, "fail"), "RangeError: too far");
  assert.equal(await call(it, "stream"), 300_000);
  assert.equal(await call(it, "self"), 'mine {"a":1}');
  assert.equal(await call(it, "socket"), "echo hi");
});

test("the called Worker is replaced, killed, and deployed after its caller; each time the next call reaches it", async () => {
  await using it = await testHost();
  await it.host.apply(it.modules.target("caller", callerCode, { bindings: BINDINGS }));
  await it.host.apply(it.modules.target("called", calledCode("one")));
  assert.equal(await call(it, "admin"), `admin one ${JSON.stringify({ role: "é\"'" })}`);
  await it.host.apply(it.modules.target("called", calledCode("two")));
  assert.equal(await call(it, "rpc"), "hello you two");
  assert.match(String(await call(it, "admin")), /^admin two/);
  assert.match(String(await call(it, "fetch")), /^POST/);
});

test("the next server takes both over as they are", async () => {
  await using it = await testHost();
  const targets = [it.modules.target("called", calledCode("one")), it.modules.target("caller", callerCode, { bindings: BINDINGS })];
  for (const target of targets) await it.host.apply(target);
  await it.host.detach();
  const messages: string[] = [];
  const [dataDirectory, runDirectory] = [join(it.directory, "data"), join(it.directory, "run")];
  let stopped = 0;
  const beforeStop = async () => {
    stopped++;
    return noHold();
  };
  const next = await createWorkerHost({
    dataDirectory,
    runDirectory,
    readModule: it.modules.read,
    beforeStop,
    log: (message) => messages.push(message),
  });
  try {
    for (const target of targets) await next.apply(target);
    assert.equal(stopped, 0, "neither is replaced");
    assert.equal(await call({ host: next }, "rpc"), "hello you one");
    await next.apply(it.modules.target("called", calledCode("two")));
    assert.equal(stopped, 1);
    assert.match(String(await call({ host: next }, "admin")), /^admin two/);
    await next.remove("caller", { deleteData: true });
    assert.equal(stopped, 2, "what nobody calls any more is not offered any more");
  } finally {
    await next.close();
  }
});
