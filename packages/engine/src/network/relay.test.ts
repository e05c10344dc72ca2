import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { NetworkNamespace } from "./namespace.js";
import { type Relayed, relay } from "./relay.js";

const MIB = 1024 * 1024;
const GREETING = "welcome\n";
const DEADLINE = { timeout: 120_000 };

let network: NetworkNamespace;

before(() => {
  network = NetworkNamespace.ofProcess(process.pid);
});

after(() => network[Symbol.dispose]());

/** Both far ends of a relayed connection: the client that connected, and the application that was connected to. */
async function relayed(arrived: () => void = () => undefined): Promise<{ client: Socket; app: Socket; pair: Relayed } & AsyncDisposable> {
  const [ingress, application] = await Promise.all([listening(), listening()]);
  const client = connect({ port: portOf(ingress), host: "127.0.0.1", allowHalfOpen: true });
  const [accepted] = (await once(ingress, "connection")) as [Socket];
  const reached = once(application, "connection") as Promise<[Socket]>;
  const descriptor = network.connectDescriptor(portOf(application));
  assert.ok(descriptor !== undefined);
  const pair = relay({ client: accepted, descriptor, greeting: GREETING, early: Buffer.from("early"), arrived });
  assert.ok(pair !== undefined);
  const [app] = await reached;
  assert.equal(await text(client, GREETING.length), GREETING);
  assert.equal(await text(app, 5), "early");
  return {
    client,
    app,
    pair,
    async [Symbol.asyncDispose]() {
      client.destroy();
      app.destroy();
      ingress.close();
      application.close();
    },
  };
}

test("bodies pass both ways unchanged, as fast as they are read", DEADLINE, async () => {
  let arrivals = 0;
  await using ends = await relayed(() => void arrivals++);
  const body = randomBytes(24 * MIB);
  const [atApp, atClient] = await Promise.all([
    slowHash(ends.app),
    slowHash(ends.client),
    new Promise<void>((resolve) => ends.client.end(body, resolve)),
    new Promise<void>((resolve) => ends.app.end(body, resolve)),
  ]);
  const expected = createHash("sha256").update(body).digest("hex");
  assert.deepEqual([atApp, atClient], [expected, expected]);
  assert.ok(arrivals > 0);
});

test("a stream is cut behind what it has said; who waits for an answer is let wait", DEADLINE, async () => {
  await using ends = await relayed();
  ends.pair.cutStream();
  ends.app.write("an answer");
  assert.equal(await text(ends.client, 9), "an answer");
  ends.client.write("more");
  assert.equal(await text(ends.app, 4), "more");
  ends.app.write("a stream");
  assert.equal(await text(ends.client, 8), "a stream");
  const closed = Promise.all([once(ends.client, "end"), once(ends.app, "end")]);
  ends.client.resume();
  ends.app.resume();
  ends.pair.cutStream();
  await closed;
});

test("one side may end while the other goes on", DEADLINE, async () => {
  await using ends = await relayed();
  ends.client.end("request");
  assert.equal(await received(ends.app), "request");
  ends.app.end("answer");
  assert.equal(await received(ends.client), "answer");
});

test("a side that breaks takes the other with it", DEADLINE, async () => {
  for (const [broken, other] of [
    ["app", "client"],
    ["client", "app"],
  ] as const) {
    await using ends = await relayed();
    ends[other].on("error", () => undefined);
    const closed = once(ends[other], "close");
    ends[other].on("end", () => ends[other].end()).resume();
    ends[broken].resetAndDestroy();
    await closed;
  }
});

test("what came before the connection was passed on is not lost", DEADLINE, async () => {
  const [ingress, application] = await Promise.all([listening(), listening()]);
  const client = connect(portOf(ingress), "127.0.0.1");
  const [accepted] = (await once(ingress, "connection")) as [Socket];
  client.write("ahead ");
  await once(accepted, "readable");
  const reached = once(application, "connection") as Promise<[Socket]>;
  const descriptor = network.connectDescriptor(portOf(application));
  assert.ok(descriptor !== undefined);
  relay({ client: accepted, descriptor, greeting: GREETING, early: Buffer.alloc(0), arrived: () => undefined });
  client.end("of time");
  const [app] = await reached;
  assert.equal(await received(app), "ahead of time");
  app.destroy();
  client.destroy();
  ingress.close();
  application.close();
});

test("for a client that has gone nothing stays open", DEADLINE, async () => {
  const [ingress, application] = await Promise.all([listening(), listening()]);
  const client = connect(portOf(ingress), "127.0.0.1");
  const [accepted] = (await once(ingress, "connection")) as [Socket];
  accepted.destroy();
  const reached = once(application, "connection") as Promise<[Socket]>;
  const descriptor = network.connectDescriptor(portOf(application));
  assert.ok(descriptor !== undefined);
  relay({ client: accepted, descriptor, greeting: GREETING, early: Buffer.alloc(0), arrived: () => undefined });
  const [app] = await reached;
  assert.equal(await received(app), "");
  client.destroy();
  ingress.close();
  application.close();
});

async function listening(): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Exactly so many bytes; what comes behind them stays to be read. */
async function text(socket: Socket, bytes: number): Promise<string> {
  for (;;) {
    const chunk = socket.read(bytes) as Buffer | null;
    if (chunk !== null) return chunk.toString();
    await once(socket, "readable");
  }
}

/** Everything until the end. The socket stays usable for writing, which it does not with `for await`. */
async function received(socket: Socket): Promise<string> {
  let content = "";
  socket.on("data", (chunk: Buffer) => {
    content += chunk.toString();
  });
  await once(socket, "end");
  return content;
}

/** Reads to the end, with pauses, so that everything on the way fills up. */
async function slowHash(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  let until = 4 * MIB;
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes < until) return;
    until += 4 * MIB;
    socket.pause();
    setTimeout(() => socket.resume(), 10);
  });
  await once(socket, "end");
  return hash.digest("hex");
}

test("a first HTTP answer without a body ends the connection", DEADLINE, async () => {
  await using ends = await relayed();
  const answer = "HTTP/1.1 204 No Content\r\n\r\n";
  const ended = once(ends.client, "end");
  ends.app.write(answer);
  assert.equal(await text(ends.client, answer.length), answer);
  ends.client.resume();
  await ended;
  // The other way is still open: it is the client's to end.
  ends.client.end("last");
  assert.equal(await text(ends.app, 4), "last");
});
