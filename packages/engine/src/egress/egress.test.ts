// First: the test has a network of its own.
import "../testing/private-host.js";
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { HOST_ADDRESS, INTERNET_ADDRESS, TestInternet } from "../testing/internet.js";
import { OutboundStage } from "../testing/outbound-stage.js";
import { GATEWAY } from "./place.js";
import { PLACEHOLDER } from "./resolver.js";

const ONLINE = { port: 1, dns: { allowHostnames: [] }, internet: { enabled: true } };
const OFFLINE = { port: 1, dns: { allowHostnames: [] }, internet: { enabled: false } };

test("with the Internet on, the public Internet is reached, and nothing else", async () => {
  await using internet = await TestInternet.connect();
  internet.http(80, (_, response) => response.end("public"));
  internet.tcp(22, (socket) => socket.end("server speaks first"));
  await using stage = await OutboundStage.start({ allow: [] });
  const container = await stage.startContainer(1, ONLINE);
  await stage.startContainer(2, ONLINE);
  const neighbour = stage.record(2);
  assert.deepEqual(await container.get(INTERNET_ADDRESS, 80, "example.com"), { status: 200, body: "public" });
  const greeting = await container.connect(INTERNET_ADDRESS, 22).setEncoding("utf8").toArray();
  assert.deepEqual(greeting, ["server speaks first"]);

  const hostService = createServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nthe host"));
  await new Promise<void>((resolve) => hostService.listen(0, "0.0.0.0", resolve));
  const { port } = hostService.address() as { port: number };
  const forbidden = [
    HOST_ADDRESS,
    GATEWAY.ipv4,
    `100.127.0.${neighbour.place}`,
    "10.0.0.1",
    "172.17.0.1",
    "192.168.1.1",
    "169.254.169.254",
  ];
  for (const address of [...forbidden, "224.0.0.1", "0.0.0.0", "fd00::1", "fe80::1", "::ffff:7f00:1"]) {
    await assert.rejects(async () => await container.get(address, port, "x"), `${address} was reached`);
  }
  await assert.rejects(container.datagram(INTERNET_ADDRESS, 123, Buffer.from("x")), { code: "ECONNREFUSED" });
  assert.equal(await container.spoofed("100.127.0.99", INTERNET_ADDRESS, 80), false);
  assert.equal(await container.spoofed(`100.127.0.${neighbour.place}`, INTERNET_ADDRESS, 80), false);
  hostService.close();
});

test("what the operator allows is reached beside the Internet", async () => {
  await using internet = await TestInternet.connect();
  await using stage = await OutboundStage.start({ allow: [`${HOST_ADDRESS}/32`] });
  const container = await stage.startContainer(1, ONLINE);
  const service = createServer((socket) => socket.end("allowed"));
  await new Promise<void>((resolve) => service.listen(0, HOST_ADDRESS, resolve));
  const { port } = service.address() as { port: number };
  assert.deepEqual(await container.connect(HOST_ADDRESS, port).setEncoding("utf8").toArray(), ["allowed"]);
  service.close();
  assert.ok(internet);
});

test("with the Internet off nothing leaves, and no name is asked for outside", async () => {
  await using internet = await TestInternet.connect();
  internet.http(80, (_, response) => response.end("public"));
  const asked = internet.resolver({ "example.com": INTERNET_ADDRESS });
  await using stage = await OutboundStage.start({ allow: [], resolvers: [INTERNET_ADDRESS] });
  const container = await stage.startContainer(1, OFFLINE);
  for (const port of [80, 443, 22]) await assert.rejects(container.get(INTERNET_ADDRESS, port, "example.com"), { code: "ECONNRESET" });
  for (const resolver of [GATEWAY.ipv4, INTERNET_ADDRESS, "8.8.8.8"]) {
    assert.deepEqual(await container.lookup(resolver, "example.com"), { code: "NXDOMAIN", addresses: [] });
  }
  await stage.configure(1, { ...OFFLINE, dns: { allowHostnames: ["*.worker"] } });
  assert.deepEqual(await container.lookup(GATEWAY.ipv4, "my.worker"), { code: "NOERROR", addresses: [PLACEHOLDER] });
  assert.deepEqual(asked, []);
  assert.equal(await stage.configure(1, { port: "none" }), 400);
});

test("names: the host's resolvers answer on any address; names of Workers exist; no resolver means a quick failure", async () => {
  const internet = await TestInternet.connect();
  let online = true;
  try {
    internet.resolver({ "example.com": INTERNET_ADDRESS });
    await using stage = await OutboundStage.start({ allow: [], resolvers: [INTERNET_ADDRESS] });
    const container = await stage.startContainer(1, { ...ONLINE, dns: { allowHostnames: ["my.worker"] } });
    for (const resolver of [GATEWAY.ipv4, "8.8.8.8"]) {
      assert.deepEqual(await container.lookup(resolver, "example.com"), { code: "NOERROR", addresses: [INTERNET_ADDRESS] });
    }
    assert.equal((await container.lookup("9.9.9.9", "nowhere.example")).code, "NXDOMAIN");
    assert.deepEqual((await container.lookup("9.9.9.9", "my.worker")).addresses, [PLACEHOLDER]);
    assert.deepEqual(await container.lookup("2606:4700::1111", "example.com", "AAAA"), { code: "NOERROR", addresses: [] });
    await internet[Symbol.asyncDispose]();
    online = false;
    const before = Date.now();
    assert.equal((await container.lookup(GATEWAY.ipv4, "example.com").catch(() => ({ code: "SERVFAIL" }))).code, "SERVFAIL");
    assert.deepEqual((await container.lookup(GATEWAY.ipv4, "my.worker")).addresses, [PLACEHOLDER]);
    assert.ok(Date.now() - before < 30_000);
  } finally {
    if (online) await internet[Symbol.asyncDispose]();
  }
});

test("a new engine connects running containers again, with their rules", async () => {
  await using internet = await TestInternet.connect();
  internet.http(80, (_, response) => response.end("public"));
  await using stage = await OutboundStage.start({ allow: [] });
  await stage.startContainer(1, ONLINE);
  await stage.startContainer(2, OFFLINE);
  const before = stage.record(1).place;
  await stage.restart();
  assert.equal(stage.record(1).place, before);
  assert.equal((await stage.container(1).get(INTERNET_ADDRESS, 80, "example.com")).body, "public");
  await assert.rejects(stage.container(2).get(INTERNET_ADDRESS, 80, "example.com"), { code: "ECONNRESET" });
});
