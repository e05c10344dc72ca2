// First, so that the test has a network of its own.
import "../testing/private-host.js";
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import type { Socket } from "node:net";
import { test } from "node:test";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, TestInternet } from "../testing/internet.js";
import { OutboundStage } from "../testing/outbound-stage.js";

const ONLINE = { port: 1, dns: { allowHostnames: [] }, internet: { enabled: true } };
const OFFLINE = { port: 1, dns: { allowHostnames: [] }, internet: { enabled: false } };
const PER_CONTAINER = 1_000;

/** All that a server sends until it ends, after it was sent `text`. */
async function exchange(socket: Socket, text: string): Promise<string> {
  socket.end(text);
  return (await socket.setEncoding("utf8").toArray()).join("");
}

test("what containers send and receive is counted for their application, over restarts", async () => {
  await using internet = await TestInternet.connect();
  internet.tcp(99, (socket) => socket.on("end", () => socket.end("12345")).resume());
  await using stage = await OutboundStage.start({ allow: [] });
  const usage = async () => (await stage.engine.engine.egressUsage())[0];
  const container = await stage.startContainer(1, ONLINE);
  for (const address of [INTERNET_ADDRESS, INTERNET_ADDRESS6]) {
    assert.equal(await exchange(container.connect(address, 99), "x".repeat(100_000)), "12345");
  }
  const expected = { sentBytes: 200_000, receivedBytes: 10 };
  assert.deepEqual((await usage())?.internet, expected);
  // What is refused is not counted.
  await assert.rejects(container.get("10.0.0.1", 80, "x"));
  await stage.restart();
  const { tenant, internet: counted, workers } = (await usage()) ?? {};
  assert.deepEqual([tenant, counted, workers], ["out", expected, { sentBytes: 0, receivedBytes: 0 }]);
});

test("UDP goes nowhere but to the resolver, with the Internet on and off; with it off no port is open, by IPv4 and IPv6", async () => {
  await using internet = await TestInternet.connect();
  const datagrams = internet.echo(443);
  let connections = 0;
  for (const port of [22, 80, 443, 853]) internet.tcp(port, (socket) => socket.end(`${++connections}`));
  await using stage = await OutboundStage.start({ allow: [] });
  const online = await stage.startContainer(1, ONLINE);
  const offline = await stage.startContainer(2, OFFLINE);
  for (const container of [online, offline]) {
    await assert.rejects(container.datagram(INTERNET_ADDRESS, 443, Buffer.from("x")), { code: "ECONNREFUSED" });
    await assert.rejects(container.datagram(INTERNET_ADDRESS6, 443, Buffer.from("x")), { code: "ECONNREFUSED" });
  }
  for (const address of [INTERNET_ADDRESS, INTERNET_ADDRESS6]) {
    for (const port of [22, 80, 443, 853]) await assert.rejects(exchange(offline.connect(address, port), ""), { code: "ECONNRESET" });
  }
  assert.deepEqual([datagrams.length, connections], [0, 0]);
  assert.equal(await exchange(online.connect(INTERNET_ADDRESS6, 853), ""), "1");
});

test("a flood of connections ends at the container's limit: its neighbour connects, and all is given back", async () => {
  await using internet = await TestInternet.connect();
  internet.tcp(99, (socket) => socket.on("error", () => socket.destroy()).resume());
  internet.tcp(7, (socket) => socket.end("hello"));
  await using stage = await OutboundStage.start({ allow: [] });
  const flooder = await stage.startContainer(1, ONLINE);
  const neighbour = await stage.startContainer(2, ONLINE);
  const files = () => readdirSync("/proc/self/fd").length;
  const before = files();
  let refused = 0;
  const sockets: Socket[] = [];
  while (sockets.length < PER_CONTAINER + 200) {
    const socket = flooder.connect(INTERNET_ADDRESS, 99).resume();
    socket.once("error", () => refused++);
    sockets.push(socket);
    // This process is the engine, too: it must come to accept them.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => refused === 200);
  assert.equal(await exchange(neighbour.connect(INTERNET_ADDRESS, 7), ""), "hello");
  for (const socket of sockets) socket.destroy();
  // The engine opens some by itself meanwhile.
  await until(() => files() <= before + 20);
  assert.equal(await exchange(flooder.connect(INTERNET_ADDRESS, 7), ""), "hello");
});

async function until(check: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!check()) {
    assert.ok(Date.now() < deadline, "it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
