import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { constants } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Certificates } from "./certificates.js";
import { Connections } from "./connections.js";
import { ask, http2Session, listenSecurely } from "./fixture-certificates.js";
import { type Platform, raw, send, testEdge, testPlatform } from "./fixtures.js";
import { MAX_AHEAD } from "./http1.js";
import { RateLimit } from "./rate-limit.js";
import { ClientFault, RequestBody } from "./request-body.js";
import { selfSigned } from "./testing/pebble.js";

const CODE = `export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/flood") return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); } }));
  if (pathname === "/quiet") return new Response(new ReadableStream({ async pull(c) { await scheduler.wait(2500); c.enqueue(new Uint8Array(1)); c.close(); } }));
  return new Response(await request.text());
} };`;

const LIMITS = {
  bodyBytes: 1000,
  urlBytes: 200,
  headMs: 1500,
  idleMs: 1500,
  connectionsPerAddress: 6,
  limitLoopback: true,
  rates: { "slow.localhost": { perSecond: 0.01, burst: 2 } },
};
let it: Platform;
let securePort: number;
before(async () => {
  const certificates = new Certificates();
  certificates.setOwn([selfSigned("app.localhost")]);
  it = await testPlatform({ limits: LIMITS, certificates });
  securePort = await listenSecurely(it.edge);
  await it.deploy("app", CODE);
  await it.deploy("slow", CODE);
});
after(() => it[Symbol.asyncDispose]());

test("a body over the limit is answered 413, announced or not; one of the limit's size passes", async () => {
  const fits = await send(it.port, "app.localhost", "/", { method: "POST" }, "x".repeat(1000));
  assert.deepEqual([fits.status, fits.text.length], [200, 1000]);
  for (const headers of [{ "content-length": "1001" }, { "transfer-encoding": "chunked" }]) {
    assert.equal((await send(it.port, "app.localhost", "/", { method: "POST", headers }, "x".repeat(1001))).status, 413);
  }
  assert.equal((await send(it.port, "app.localhost", `/${"a".repeat(200)}`)).status, 414);
});

test("a head that does not come is given up: 408", async () => {
  assert.match(await raw(it.port, "GET / HTTP/1.1\r\nHost: app.loc"), /^HTTP\/1\.1 408 /);
  const silent = connect(it.port, "127.0.0.1");
  silent.resume();
  await once(silent, "close");
});

test("a client may send requests ahead of their answers, but not without end", async () => {
  const one = "GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n";
  const last = one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
  const answers = await raw(it.port, one.repeat(MAX_AHEAD) + last);
  assert.equal(answers.match(/HTTP\/1\.1 200/g)?.length, MAX_AHEAD + 1);

  const socketPath = join(it.directory, "silent.sock");
  const silent = createServer(() => undefined).listen(socketPath);
  await once(silent, "listening");
  await using waiting = await testEdge({ upstream: () => ({ socketPath }), onChange: () => ({ [Symbol.dispose]: () => undefined }) });
  silent.unref();
  const flood = connect(waiting.port, "127.0.0.1");
  flood.on("error", () => undefined);
  flood.write(one.repeat(MAX_AHEAD + 2));
  flood.resume();
  await once(flood, "close", { signal: AbortSignal.timeout(10_000) });
});

test("a client that takes nothing of its answer is cut off; an answer that is long in coming is not", async () => {
  const stuck = connect(it.port, "127.0.0.1");
  stuck.pause();
  stuck.write("GET /flood HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  const quiet = send(it.port, "app.localhost", "/quiet");
  stuck.on("error", () => undefined);
  assert.equal((await quiet).body.length, 1);
  // Its end cannot be seen before what was sent is read: the edge is asked whether it is done with it.
  const open = promisify(it.edge.server.getConnections.bind(it.edge.server));
  for (let turn = 0; (await open()) > 0; turn++) {
    assert.ok(turn < 1_200, "it is not cut off");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  stuck.resume();
  await once(stuck, "close");
});

test("in HTTP/2 too: a stream that is not taken is cut off, its connection and the others go on", async () => {
  const session = await http2Session(securePort, "app.localhost", { initialWindowSize: 1000 });
  const stuck = session.request({ ":path": "/flood" });
  stuck.on("error", () => undefined);
  stuck.pause();
  const quiet = ask(session, { ":path": "/quiet" });
  await once(stuck, "close");
  assert.equal(stuck.rstCode, constants.NGHTTP2_CANCEL);
  assert.equal((await quiet).body.length, 1);
  assert.equal((await ask(session, { ":path": "/", ":method": "POST" }, "x".repeat(1001))).status, 413);
  assert.equal((await ask(session, { ":path": `/${"a".repeat(200)}` })).status, 414);
  session.destroy();
});

test("a body that comes too slowly is given up; one that waits for us is not", async () => {
  const options = { whole: () => false, idleMs: 5000, bytesPerSecond: 100_000, graceMs: 100, maxBytes: 1e9, onStart: () => undefined };
  const trickle = Readable.from(
    (async function* () {
      for (;;) {
        yield Buffer.from("x");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })(),
    { objectMode: false },
  );
  await assert.rejects(
    buffer(new RequestBody(trickle, options)),
    (error: unknown) => error instanceof ClientFault && error.page.status === 408,
  );
  trickle.destroy();
  const paused = new RequestBody(Readable.from([Buffer.alloc(100_000), Buffer.alloc(100_000)], { objectMode: false }), options);
  paused.read(0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal((await buffer(paused)).length, 200_000);
});

test("an address has so many connections, and gets new ones when it has closed some", async () => {
  const held = Array.from({ length: 6 }, () => connect(it.port, "127.0.0.1"));
  await Promise.all(held.map((socket) => once(socket, "connect")));
  const refused = connect(it.port, "127.0.0.1");
  refused.on("error", () => undefined);
  assert.equal(await text(refused).catch(() => ""), "");
  for (const socket of held) socket.destroy();
  for (;;) {
    const status = await send(it.port, "app.localhost").then(
      (answer) => answer.status,
      () => "refused",
    );
    if (status === 200) break;
  }
});

test("a host with a rate is answered 429 with the time to wait", async () => {
  const statuses = [];
  for (let turn = 0; turn < 3; turn++) statuses.push((await send(it.port, "slow.localhost")).status);
  assert.deepEqual(statuses, [200, 200, 429]);
  const limited = await send(it.port, "SLOW.localhost");
  assert.equal(limited.status, 429);
  const seconds = Number(limited.message.headers["retry-after"]);
  assert.ok(seconds > 0 && seconds <= 100, `${seconds}`);
  assert.equal((await send(it.port, "app.localhost")).status, 200);
});

test("tokens come back at the rate, up to the burst; a host that is not named has the rate of all", () => {
  const limit = new RateLimit({ "a.test": { perSecond: 2, burst: 3 }, "*": { perSecond: 1, burst: 1 } });
  assert.deepEqual(
    [0, 0, 0, 0, 500, 500].map((now) => limit.take("a.test", now)),
    [undefined, undefined, undefined, 1, undefined, 1],
  );
  assert.deepEqual(
    [1e6, 1e6, 1e6, 1e6].map((now) => limit.take("a.test", now)),
    [undefined, undefined, undefined, 1],
  );
  assert.deepEqual(
    [0, 0].map((now) => limit.take("b.test", now)),
    [undefined, 1],
  );
  assert.equal(limit.take("__proto__", 0), undefined);
  assert.equal(new RateLimit({}).take("a.test", 0), undefined);
  for (let n = 0; n < 20_000; n++) limit.take(`h${n}.test`, 1);
});

test("an address of this machine has no limit unless it is asked for", () => {
  using connections = new Connections({ connectionsPerAddress: 1, idleMs: 1000 });
  let closed = 0;
  const from = (remoteAddress: string) =>
    Object.assign(new EventEmitter(), { remoteAddress, destroy: () => closed++ }) as unknown as Socket;
  for (const address of ["127.0.0.1", "127.0.0.1", "::1", "::1", "::ffff:127.0.0.9", "::ffff:127.0.0.9", "192.0.2.1"]) {
    assert.ok(connections.take(from(address)), address);
  }
  assert.equal(connections.take(from("192.0.2.1")), false);
  process.nextTick(() => assert.equal(closed, 8, "the refused one, after those that were there at the end"));
});
