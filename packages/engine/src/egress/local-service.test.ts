// First: the test has a network of its own.
import "../testing/private-host.js";
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { FromContainer } from "../testing/from-container.js";
import { INTERNET_ADDRESS, TestInternet } from "../testing/internet.js";
import { NAMESPACE, OutboundStage } from "../testing/outbound-stage.js";
import { TestWorker } from "../testing/worker.js";
import { CERTIFICATE_PATH } from "./container-trust.js";
import { SERVICE_ADDRESS } from "./local-service.js";
import { GATEWAY } from "./place.js";

const ACCOUNT = "0123456789abcdef0123456789abcdef";
const HOST = `${ACCOUNT}.store.example`;

/** An engine that serves HOST by a server of the test's, and an Internet that knows nothing of it. */
async function stage() {
  const directory = await mkdtemp(join(tmpdir(), "longshore-l-"));
  const socket = join(directory, "service.sock");
  const server = createServer((request, response) => response.end(`service ${request.method} ${request.headers.host}${request.url}`));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const internet = await TestInternet.connect();
  internet.http(80, (_, response) => response.end("the Internet"));
  const engine = await OutboundStage.start({ allow: [], resolvers: [INTERNET_ADDRESS], service: { host: HOST, socket } });
  return {
    engine,
    internet,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await internet[Symbol.asyncDispose]();
      server.close();
      server.closeAllConnections();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function get(
  container: FromContainer,
  servername: string,
  options: { ca?: string; address?: string; port?: number } = {},
): Promise<string> {
  const { ca, address = SERVICE_ADDRESS, port = 443 } = options;
  const socket: TLSSocket = connectTls({ socket: container.connect(address, port), servername, ca });
  await once(socket, "secureConnect");
  socket.write(`GET /box/key HTTP/1.1\r\nHost: ${servername}\r\nConnection: close\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer.slice(answer.indexOf("\r\n\r\n") + 4);
}

test("a container with the Internet reaches the service by name and HTTPS, and nothing else by way of it", async () => {
  await using s = await stage();
  const rules = (internet: boolean) => ({ port: 9, dns: { allowHostnames: [] }, internet: { enabled: internet } });
  const online = await s.engine.startContainer(1, rules(true), [`ACCOUNT=${ACCOUNT}`]);
  const ca = readFileSync(`/proc/${s.engine.record(1).process.pid}/root${CERTIFICATE_PATH}`, "utf8");
  assert.equal(s.engine.record(1).environment.NODE_EXTRA_CA_CERTS, CERTIFICATE_PATH);
  for (const name of [HOST, `box.${HOST}`, HOST.toUpperCase()]) {
    assert.deepEqual((await online.lookup(GATEWAY.ipv4, name)).addresses, [SERVICE_ADDRESS]);
    assert.deepEqual(await online.lookup(GATEWAY.ipv4, name, "AAAA"), { code: "NOERROR", addresses: [] });
  }
  assert.equal(await get(online, HOST, { ca }), `service GET ${HOST}/box/key`);
  assert.equal(await get(online, `box.${HOST}`, { ca }), `service GET box.${HOST}/box/key`);
  // Another name, no TLS, another port, another address, an authority that is not trusted.
  for (const name of ["other.store.example", `x${HOST}`, `${HOST}.evil.example`]) await assert.rejects(get(online, name, { ca }));
  await assert.rejects(get(online, HOST, { ca, port: 8443 }));
  await assert.rejects(get(online, HOST, { ca, address: "198.18.0.1" }));
  await assert.rejects(get(online, HOST), /certificate/);
  await assert.rejects(online.get(SERVICE_ADDRESS, 80, HOST));
  await assert.rejects(online.get(SERVICE_ADDRESS, 443, HOST));

  const offline = await s.engine.startContainer(2, rules(false), [`ACCOUNT=${ACCOUNT}`]);
  assert.equal((await offline.lookup(GATEWAY.ipv4, HOST)).code, "NXDOMAIN");
  await assert.rejects(get(offline, HOST, { ca }));
  await s.engine.startContainer(3, rules(true));
  assert.equal(existsSync(`/proc/${s.engine.record(3).process.pid}/root${CERTIFICATE_PATH}`), false, "nobody told it of the service");
});

test("without the Internet the container's class is asked, for each connection; what is not a yes is a no", async () => {
  await using s = await stage();
  const storage = await mkdtemp(join(tmpdir(), "longshore-s-"));
  const worker = await TestWorker.start({ script: "outbound.js", classes: { Box: NAMESPACE }, engineSocket: s.engine.socket, storage });
  try {
    await worker.ask("/1/all?tag=internet");
    await worker.ask("/1/https?to=other.example&tag=other");
    await worker.ask("/1/start?env=LONGSHORE_ANSWERS_OUTBOUND");
    const pid = s.engine.newest().process.pid;
    const container = new FromContainer(pid);
    const ca = readFileSync(`/proc/${pid}/root${CERTIFICATE_PATH}`, "utf8");
    assert.equal(s.engine.newest().environment.LONGSHORE_ANSWERS_OUTBOUND, undefined, "its program is not told");
    assert.deepEqual((await container.lookup(GATEWAY.ipv4, HOST)).addresses, [SERVICE_ADDRESS]);
    assert.equal(await get(container, HOST, { ca }), `service GET ${HOST}/box/key`);
    await assert.rejects(get(container, "other.store.example", { ca }));
    const open = connectTls({ socket: container.connect(SERVICE_ADDRESS, 443), servername: HOST, ca });
    await once(open, "secureConnect");
    const ended = new Promise((resolve) => open.once("error", resolve).once("close", resolve));
    await worker.ask("/1/http?to=unrelated.example&tag=internet");
    open.write(`GET /open HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    assert.match(String(await once(open, "data")), /service GET/, "what is still allowed goes on");
    for (const tag of ["deny", "handler"]) {
      await worker.ask(`/1/all?tag=${tag}`);
      await ended;
      await assert.rejects(get(container, HOST, { ca }));
    }
    await worker.ask("/1/all?tag=internet");
    assert.equal(await get(container, HOST, { ca }), `service GET ${HOST}/box/key`);
    // One of a class that has not said that it answers: it would take the question for a request of the container's.
    await worker.ask("/2/all?tag=internet");
    await worker.ask("/2/https?to=other.example&tag=other");
    await worker.ask("/2/start");
    const other = new FromContainer(s.engine.newest().process.pid);
    const trusted = readFileSync(`/proc/${s.engine.newest().process.pid}/root${CERTIFICATE_PATH}`, "utf8");
    await assert.rejects(get(other, HOST, { ca: trusted }));
  } finally {
    await worker[Symbol.asyncDispose]();
    await rm(storage, { recursive: true, force: true });
  }
  // Nobody answers any more.
  await assert.rejects(get(new FromContainer(s.engine.newest().process.pid), HOST));
});

test("a handler of the application's for the name comes first; others leave the service alone", async () => {
  await using s = await stage();
  const storage = await mkdtemp(join(tmpdir(), "longshore-s-"));
  const worker = await TestWorker.start({ script: "outbound.js", classes: { Box: NAMESPACE }, engineSocket: s.engine.socket, storage });
  try {
    await worker.ask("/1/https?to=other.example&tag=other");
    await worker.ask("/1/start?internet=on");
    const pid = s.engine.newest().process.pid;
    const container = new FromContainer(pid);
    const ca = readFileSync(`/proc/${pid}/root${CERTIFICATE_PATH}`, "utf8");
    assert.equal(await get(container, HOST, { ca }), `service GET ${HOST}/box/key`);
    await worker.ask("/1/http?to=203.0.113.0/24&tag=network");
    assert.equal(await get(container, HOST, { ca }), `service GET ${HOST}/box/key`);
    await worker.ask(`/1/https?to=${HOST}&tag=mine`);
    assert.match(await get(container, HOST, { ca }), /mine GET/);
  } finally {
    await worker[Symbol.asyncDispose]();
    await rm(storage, { recursive: true, force: true });
  }
});
