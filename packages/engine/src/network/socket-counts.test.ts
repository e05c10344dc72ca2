import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import type { Instance } from "../instance/instance.js";
import { Ingress } from "./ingress.js";
import { NetworkNamespace } from "./namespace.js";
import { ENGINE_PORT } from "./socket-counts.js";

let network: NetworkNamespace;
before(() => {
  network = NetworkNamespace.ofProcess(process.pid);
});
after(() => network[Symbol.dispose]());

/** What has come on a connection since the text before was taken, once it contains `wanted`. */
async function heard(socket: Socket, wanted: string): Promise<string> {
  for (let text = ""; ; ) {
    text += String(socket.read() ?? "");
    if (text.includes(wanted)) return text;
    assert.equal(socket.readableEnded, false, text);
    await once(socket, "readable");
  }
}

test("the engine tells how many WebSockets a container has open: each change, until there is none", { timeout: 30_000 }, async () => {
  const taken: Socket[] = [];
  const program = createServer({ allowHalfOpen: true }, (socket) => {
    taken.push(socket);
    socket.once("data", (asked: Buffer) =>
      socket.write(String(asked).includes("/socket") ? "HTTP/1.1 101 Switching\r\n\r\n" : "HTTP/1.1 200 OK\r\n\r\n"),
    );
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(program, "listening");
  let arrivals = 0;
  // What a door asks of a container that runs in this process's network.
  const instance = {
    status: "running",
    record: { process: { pid: process.pid } },
    network,
    openPorts: new Set(),
    arrived: () => void arrivals++,
    ready: () => undefined,
  } as unknown as Instance;
  const target = { instance: () => instance, failure: () => undefined, lastLines: async () => [] };
  await using door = await Ingress.listen(0, { ...target, configureEgress: () => undefined, certificate: () => "" });
  const through = async (port: number, path: string): Promise<Socket> => {
    const socket = connect(door.port, "127.0.0.1");
    socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await heard(socket, "\r\n\r\n");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return socket;
  };
  const { port } = program.address() as AddressInfo;

  // One that has come and gone before anybody asks.
  const none = await through(ENGINE_PORT, "/websockets");
  assert.match(await heard(none, "0\n"), /^HTTP\/1\.1 200[\s\S]*vnd\.longshore\.websocket-counts/);
  const first = await through(port, "/socket");
  await heard(first, "101");
  const plain = await through(port, "/page");
  await heard(plain, "200");
  const before = arrivals;
  const counts = await through(ENGINE_PORT, "/websockets");
  const toldAll = once(counts, "close");
  await heard(counts, "1\n");
  const second = await through(port, "/socket");
  await heard(counts, "2\n");
  plain.destroy();
  second.destroy();
  await heard(counts, "1\n");
  // The program keeps its half open.
  const over = once(first.resume(), "close");
  first.end();
  await heard(counts, "0\n");
  counts.resume();
  await Promise.all([over, toldAll]);
  assert.match(await heard(await through(ENGINE_PORT, "/other"), "\r\n\r\n"), /^HTTP\/1\.1 404/);
  // Asking is no use of the container: one that is frozen sleeps on.
  assert.equal(arrivals - before, 2);
  program.close();
  for (const socket of taken) socket.destroy();
});
