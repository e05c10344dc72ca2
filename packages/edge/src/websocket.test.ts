import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { type Platform, send, testPlatform } from "./fixtures.js";

const CODE = `
const closes = [];
export default { fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/closes") return Response.json(closes);
  if (request.headers.get("upgrade") !== "websocket") return new Response("plain");
  if (pathname === "/refuse") return new Response("not for you: " + "x".repeat(1_000_000), { status: 403 });
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  server.binaryType = "arraybuffer";
  server.addEventListener("message", ({ data }) => { if (data === "bye") server.close(4321, "so long"); else server.send(data); });
  server.addEventListener("close", ({ code, reason }) => { closes.push([code, reason]); server.close(code, reason); });
  return new Response(null, { status: 101, webSocket: client, headers: { "x-from": request.headers.get("cf-connecting-ip") } });
} };`;

let it: Platform;
before(async () => {
  it = await testPlatform();
  await it.deploy("app", CODE);
});
after(() => it[Symbol.asyncDispose]());

const open = (path = "/"): WebSocket => new WebSocket(`ws://127.0.0.1:${it.port}${path}`, { headers: { host: "app.localhost" } });

test("text and binary messages are echoed, large ones too", async () => {
  const socket = open();
  const opened = once(socket, "open");
  const [response] = await once(socket, "upgrade");
  assert.equal(response.headers["x-from"], "127.0.0.1");
  await opened;
  socket.send("hellø");
  const [text, isBinary] = await once(socket, "message");
  assert.deepEqual([text.toString(), isBinary], ["hellø", false]);
  for (const size of [0, 1, 125, 126, 70_000, 900_000]) {
    const bytes = randomBytes(size);
    socket.send(bytes);
    const [echo, binary] = await once(socket, "message");
    assert.equal(binary, true);
    assert.ok(bytes.equals(echo));
  }
  socket.close(1000);
  await once(socket, "close");
});

test("close codes and reasons pass in both directions", async () => {
  const first = open();
  await once(first, "open");
  first.send("bye");
  const [code, reason] = await once(first, "close");
  assert.deepEqual([code, reason.toString()], [4321, "so long"]);
  const second = open();
  await once(second, "open");
  second.close(4000, "enough");
  await once(second, "close");
  let closes: unknown[];
  do closes = JSON.parse((await send(it.port, "app.localhost", "/closes")).text);
  while (!JSON.stringify(closes).includes('[4000,"enough"]'));
});

test("a refused upgrade is answered like any request, in full", async () => {
  const socket = open("/refuse");
  const [, response] = await once(socket, "unexpected-response");
  assert.equal(response.statusCode, 403);
  let length = 0;
  for await (const chunk of response) length += chunk.length;
  assert.equal(length, 1_000_013);
  const unknown = new WebSocket(`ws://127.0.0.1:${it.port}/`, { headers: { host: "nobody.localhost" } });
  const [, missing] = await once(unknown, "unexpected-response");
  assert.equal(missing.statusCode, 404);
  missing.resume();
});

test("an upgrade waits while the script is held; an open WebSocket gets its time, and is ended with what is under way", async () => {
  const open1 = open();
  await once(open1, "open");
  const holding = it.edge.hold(["app"], 5_000);
  // Whoever is open delays the hold, and nobody else meanwhile.
  assert.equal((await send(it.port, "app.localhost", "/closes")).status, 200);
  open1.send("still here");
  assert.equal((await once(open1, "message"))[0].toString(), "still here");
  const hold = await holding;
  const waiting = open();
  const opened = once(waiting, "open");
  open1.send("still here");
  assert.equal((await once(open1, "message"))[0].toString(), "still here");
  assert.equal(waiting.readyState, WebSocket.CONNECTING);
  const closed = once(open1, "close");
  hold.cut("app");
  await closed;
  await hold[Symbol.asyncDispose]();
  await opened;
  waiting.terminate();
});

test("a hold does not wait longer than a WebSocket is open", async () => {
  const open1 = open();
  await once(open1, "open");
  const holding = it.edge.hold(["app"], 60_000);
  open1.close();
  await (await holding)[Symbol.asyncDispose]();
});
