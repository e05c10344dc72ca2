// First: the test has a network of its own.
import "../testing/private-host.js";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { FromContainer } from "../testing/from-container.js";
import { INTERNET_ADDRESS, TestInternet } from "../testing/internet.js";
import { NAMESPACE, OutboundStage } from "../testing/outbound-stage.js";
import { TestWorker } from "../testing/worker.js";
import { CERTIFICATE_PATH } from "./container-trust.js";
import { GATEWAY } from "./place.js";

/** An Internet, an engine, a workerd on it, and Durable Objects with containers. */
async function stage() {
  const internet = await TestInternet.connect();
  internet.http(80, (_, response) => response.end("the Internet"));
  const engine = await OutboundStage.start({ allow: [], resolvers: [INTERNET_ADDRESS] });
  const storage = await mkdtemp(join(tmpdir(), "longshore-s-"));
  const startWorker = () => TestWorker.start({ script: "outbound.js", classes: { Box: NAMESPACE }, engineSocket: engine.socket, storage });
  let worker = await startWorker();
  return {
    internet,
    engine,
    ask: (path: string) => worker.ask(path),
    /** The container that was started last. */
    container: () => new FromContainer(engine.newest().process.pid),
    async restartWorker() {
      await worker[Symbol.asyncDispose]();
      worker = await startWorker();
    },
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      await rm(storage, { recursive: true, force: true });
      await internet[Symbol.asyncDispose]();
    },
  };
}

test("HTTP by name, by network and all of it goes to Workers; the rest to the Internet, or nowhere", async () => {
  await using s = await stage();
  await s.ask("/1/http?to=my.worker&tag=named");
  await s.ask("/1/http?to=*.glob.example&tag=glob");
  await s.ask("/1/start?internet=on");
  const online = s.container();
  const { addresses } = await online.lookup(GATEWAY.ipv4, "my.worker");
  assert.equal((await online.get(addresses[0] ?? "", 80, "my.worker", "/a?b=c")).body, "named GET http://my.worker/a?b=c");
  assert.equal((await online.get(INTERNET_ADDRESS, 80, "X.Glob.Example")).body, "glob GET http://x.glob.example/");
  assert.equal((await online.get(INTERNET_ADDRESS, 80, "other.example")).body, "the Internet");
  assert.equal((await online.get("10.1.2.3", 80, "my.worker")).body, "named GET http://my.worker/");
  await assert.rejects(online.get("10.1.2.3", 80, "other.example"), { code: "ECONNRESET" });

  await s.ask("/2/http?to=203.0.113.0/24&tag=network");
  await s.ask("/2/start");
  const offline = s.container();
  assert.equal((await offline.get("203.0.113.9", 80, "203.0.113.9")).body, "network GET http://203.0.113.9/");
  await assert.rejects(offline.get(INTERNET_ADDRESS, 80, "other.example"));
  await s.ask("/2/all?tag=all");
  assert.equal((await offline.get(INTERNET_ADDRESS, 80, "other.example")).body, "all GET http://other.example/");
  assert.equal((await offline.get("2606:4700::1111", 80, "[2606:4700::1111]")).body, "all GET http://[2606:4700::1111]/");
  await assert.rejects(offline.get(INTERNET_ADDRESS, 90, "other.example"));
});

test("rules change under an open connection, which goes on; a Worker that was restarted takes over", async () => {
  await using s = await stage();
  await s.ask("/1/http?to=my.worker&tag=first");
  await s.ask("/1/start");
  const container = s.container();
  const socket = container.connect(INTERNET_ADDRESS, 80);
  const ask = async () => {
    socket.write("GET / HTTP/1.1\r\nHost: my.worker\r\n\r\n");
    let answer = "";
    while (!answer.includes("my.worker/")) answer += String((await once(socket, "data"))[0]);
    return answer;
  };
  assert.match(await ask(), /first GET/);
  await s.ask("/1/http?to=my.worker&tag=second");
  assert.match(await ask(), /second GET/);
  socket.destroy();

  await s.restartWorker();
  await assert.rejects(container.get(INTERNET_ADDRESS, 80, "my.worker"), { code: "ECONNRESET" });
  assert.equal(await s.ask("/1/running"), "true");
  await s.ask("/1/http?to=my.worker&tag=third");
  assert.match((await container.get(INTERNET_ADDRESS, 80, "my.worker")).body, /^third/);
});

test("large and streaming bodies, many requests on a connection, WebSockets", async () => {
  await using s = await stage();
  await s.ask("/1/all?tag=all");
  await s.ask("/1/start");
  // It ends with the Worker.
  void s.ask("/1/stay").catch(() => undefined);
  const container = s.container();
  const createConnection = () => container.connect(INTERNET_ADDRESS, 80);
  const body = randomBytes(20 * 1024 * 1024);
  const upload = request({ createConnection, method: "POST", path: "/echo", headers: { host: "x", "content-length": body.length } });
  upload.end(body);
  const [response] = await once(upload, "response");
  assert.ok(body.equals(await buffer(response)));

  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = createConnection as typeof agent.createConnection;
  const durations: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    const outgoing = request({ agent, host: "x", path: `/${i}`, headers: { host: "x" } }).end();
    const [answer] = await once(outgoing, "response");
    assert.equal(await text(answer), `all GET http://x/${i}`);
    durations.push(performance.now() - start);
  }
  agent.destroy();
  durations.sort((a, b) => a - b);
  console.log(`# intercepted GET on an open connection: p50 ${durations[100]?.toFixed(2)} ms`);

  const key = randomBytes(16).toString("base64");
  const headers = { host: "x", connection: "Upgrade", upgrade: "websocket", "sec-websocket-key": key, "sec-websocket-version": "13" };
  const upgrade = request({ createConnection, path: "/", headers }).end();
  const [, socket] = await once(upgrade, "upgrade");
  socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  const [frame] = (await once(socket, "data")) as [Buffer];
  assert.equal(frame.subarray(2).toString(), "all: hi");
  socket.destroy();
});

test("HTTPS: the Worker gets the request, under a certificate that the container can verify; what is not registered is not touched", async () => {
  await using s = await stage();
  s.internet.tcp(443, (socket) => socket.once("data", () => socket.end("not TLS at all")));
  await s.ask("/1/https?to=secure.worker&tag=tls");
  await s.ask("/1/start?internet=on");
  const container = s.container();
  const ca = readFileSync(`/proc/${s.engine.newest().process.pid}/root${CERTIFICATE_PATH}`, "utf8");
  const get = async (servername: string, extra: object = {}) => {
    const socket = connectTls({ socket: container.connect(INTERNET_ADDRESS, 443), servername, ca, ...extra });
    socket.on("error", () => undefined);
    await once(socket, "secureConnect");
    socket.write(`GET /path HTTP/1.1\r\nHost: ${servername}\r\n\r\n`);
    let answer = "";
    // workerd keeps the connection for further requests, whatever the client says.
    while (!answer.endsWith("/path")) answer += String((await once(socket, "data"))[0]);
    socket.destroy();
    return answer;
  };
  assert.match(await get("secure.worker"), /tls GET https:\/\/secure.worker\/path/);
  assert.match(await get("secure.worker", { ALPNProtocols: ["h2", "http/1.1"] }), /tls GET/);
  await assert.rejects(get("secure.worker", { ca: undefined }), { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
  await assert.rejects(get("other.example"), { code: "ERR_SSL_WRONG_VERSION_NUMBER" });
  assert.equal((await container.get(INTERNET_ADDRESS, 80, "secure.worker")).body, "the Internet");

  await s.ask("/2/start");
  const late = s.engine.newest().process.pid;
  await s.ask("/2/https?to=*&tag=late");
  assert.ok(readFileSync(`/proc/${late}/root${CERTIFICATE_PATH}`, "utf8").includes("BEGIN CERTIFICATE"));
  assert.match(await s.ask("/2/running"), /true/);
});

test("with the Internet on, what no Worker takes still goes out after the Worker was restarted", async () => {
  await using s = await stage();
  s.internet.tcp(443, (socket) => socket.once("data", () => socket.end("not TLS at all")));
  s.internet.tcp(5000, (socket) => socket.end("who speaks first"));
  const goesOut = async () => {
    const socket = connectTls({ socket: s.container().connect(INTERNET_ADDRESS, 443), servername: "other.example" });
    await assert.rejects(once(socket, "secureConnect"), { code: "ERR_SSL_WRONG_VERSION_NUMBER" });
    assert.equal(await text(s.container().connect(INTERNET_ADDRESS, 5000)), "who speaks first");
  };
  await s.ask("/1/all?tag=first");
  await s.ask("/1/start?internet=on");
  await goesOut();
  await s.restartWorker();
  assert.equal(await s.ask("/1/running"), "true");
  await s.ask("/1/all?tag=second");
  assert.match((await s.container().get(INTERNET_ADDRESS, 80, "my.worker")).body, /^second/);
  await goesOut();
});

test("raw TCP goes to the Worker's connect", async () => {
  await using s = await stage();
  await s.ask("/1/tcp?to=10.0.0.5:5432&tag=database");
  await s.ask("/1/start");
  const socket = s.container().connect("10.0.0.5", 5432);
  socket.write("ping");
  assert.equal(await text(socket), "database: ping");
  const other = s.container().connect("10.0.0.6", 5432);
  other.write("ping");
  assert.equal(await text(other), "");
});
