import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { oneConnection, type Platform, raw, send, testPlatform } from "./fixtures.js";

const CODE = `
const seen = [];
let flooded = 0;
export default { async fetch(request) {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/headers": return Response.json({ url: request.url, method: request.method, headers: [...request.headers] });
    case "/echo": return new Response(request.body, { headers: { "content-type": "application/octet-stream" } });
    case "/cookies": { const h = new Headers(); h.append("set-cookie", "a=1"); h.append("set-cookie", "b=2"); return new Response("", { headers: h }); }
    case "/early": return new Response("no thanks", { status: 413 });
    case "/events": {
      // One event for each piece of the request's body: the client decides when the next is sent.
      const decoder = new TextDecoderStream();
      const events = new TransformStream({ transform: (piece, c) => c.enqueue("data: " + piece + "\\n\\n") });
      const body = request.body.pipeThrough(decoder).pipeThrough(events).pipeThrough(new TextEncoderStream());
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    case "/endless": {
      seen.push("started");
      request.signal.addEventListener("abort", () => seen.push("aborted"));
      return new Response(new ReadableStream({ async pull(c) { c.enqueue(new Uint8Array(1000)); await scheduler.wait(5); }, cancel() { seen.push("cancelled"); } }));
    }
    case "/seen": return Response.json(seen);
    case "/flood": return new Response(new ReadableStream({ pull(c) { flooded++; c.enqueue(new Uint8Array(65536)); } }));
    case "/flooded": return new Response(String(flooded));
    case "/nothing": return new Response(null, { status: 204 });
    default: return new Response("path " + url.pathname + url.search);
  }
} };`;

let it: Platform;
before(async () => {
  it = await testPlatform();
  await it.deploy("app", CODE);
});
after(() => it[Symbol.asyncDispose]());

test("requests share kept connections, and paths, methods and statuses pass through", async () => {
  const agent = oneConnection();
  const first = await send(it.port, "app.localhost", "/a%20b?x=%2F&y", { agent });
  assert.equal(first.text, "path /a%20b?x=%2F&y");
  const socket = first.message.socket;
  assert.equal((await send(it.port, "APP.localhost.:9999", "/", { agent })).message.socket, socket);
  const empty = await send(it.port, "app.localhost", "/nothing", { agent, method: "DELETE" });
  assert.deepEqual([empty.status, empty.text, empty.message.socket === socket], [204, "", true]);
  const head = await send(it.port, "app.localhost", "/", { agent, method: "HEAD" });
  assert.deepEqual([head.status, head.text, head.message.socket === socket], [200, "", true]);
  assert.deepEqual((await send(it.port, "app.localhost", "/cookies", { agent })).message.headers["set-cookie"], ["a=1", "b=2"]);
  agent.destroy();
});

test("the Worker sees the client's address and its own host; a client cannot pretend", async () => {
  const forged = {
    "x-forwarded-for": "6.6.6.6",
    "CF-Connecting-IP": "6.6.6.6",
    "x-forwarded-proto": "https",
    forwarded: "for=6.6.6.6",
    "x-real-ip": "6.6.6.6",
    connection: "keep-alive, x-secret",
    "x-secret": "for the edge only",
    "x-kept": "yes",
    te: "trailers",
  };
  const answer = await send(it.port, "app.localhost:8080", "/headers", { headers: forged });
  const { url, headers } = JSON.parse(answer.text) as { url: string; headers: [string, string][] };
  const seen = new Map(headers);
  assert.equal(url, "http://app.localhost:8080/headers");
  assert.equal(seen.get("host"), "app.localhost:8080");
  assert.equal(seen.get("x-kept"), "yes");
  for (const name of ["x-forwarded-for", "cf-connecting-ip", "x-real-ip"]) assert.equal(seen.get(name), "127.0.0.1", name);
  for (const name of ["forwarded", "x-secret", "te"]) assert.equal(seen.get(name), undefined, name);
  assert.match(seen.get("cf-ray") ?? "", /^[0-9a-f]{16}-LSH$/);
  assert.equal(seen.get("cf-ray"), answer.message.headers["cf-ray"]);
  assert.ok(!JSON.stringify(headers).includes("6.6.6.6"));
});

test("20 MB go there and back byte for byte, with a length and without", async () => {
  const body = randomBytes(20_000_000);
  const digest = createHash("sha256").update(body).digest("hex");
  for (const headers of [{ "content-length": String(body.length) }, { "transfer-encoding": "chunked" }]) {
    const answer = await send(it.port, "app.localhost", "/echo", { method: "POST", headers }, body);
    assert.equal(createHash("sha256").update(answer.body).digest("hex"), digest);
  }
});

test("a slow reader slows the Worker down instead of filling memory", async () => {
  const outgoing = request({
    host: "127.0.0.1",
    port: it.port,
    path: "/echo",
    method: "POST",
    headers: { host: "app.localhost" },
    agent: false,
  });
  const chunk = Buffer.alloc(1 << 20);
  let sent = 0;
  let answer: import("node:http").IncomingMessage | undefined;
  outgoing.once("response", (message) => {
    answer = message.pause();
  });
  // Written until the whole path is full: nobody reads the echo.
  while (outgoing.write(chunk) || (await Promise.race([once(outgoing, "drain").then(() => true), stalled(outgoing)]))) {
    sent++;
    assert.ok(sent < 200, "200 MB were taken in although nobody read");
  }
  assert.ok(answer !== undefined);
  outgoing.destroy();
});

/** False once the connection has taken nothing for a while. A wait, because the absence of something has no event. */
async function stalled(outgoing: import("node:http").ClientRequest): Promise<false> {
  const before = outgoing.socket?.bytesWritten;
  await new Promise((resolve) => setTimeout(resolve, 400));
  return outgoing.socket?.bytesWritten === before ? false : stalled(outgoing);
}

test("a long answer is made only as fast as it is read, and goes on when it is read", async () => {
  const headers = { host: "app.localhost" };
  const outgoing = request({ host: "127.0.0.1", port: it.port, path: "/flood", headers, agent: false });
  outgoing.on("error", () => undefined);
  outgoing.end();
  const [message] = (await once(outgoing, "response")) as [import("node:http").IncomingMessage];
  message.on("error", () => undefined);
  message.pause();
  const made = async () => Number((await send(it.port, "app.localhost", "/flooded")).text) * 65_536;
  // A wait, because that nothing more is made has no event.
  let before = -1;
  for (let now = await made(); now !== before; now = await made()) {
    before = now;
    assert.ok(now < 100_000_000, "100 MB were made although nobody read");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  let read = 0;
  for await (const chunk of message) {
    read += (chunk as Buffer).length;
    if (read > before + 10_000_000) break;
  }
  assert.ok((await made()) > before);
});

test("server-sent events arrive one by one, each before the next is sent", async () => {
  const headers = { host: "app.localhost" };
  const outgoing = request({ host: "127.0.0.1", port: it.port, path: "/events", method: "POST", headers, agent: false });
  outgoing.flushHeaders();
  const [message] = (await once(outgoing, "response")) as [import("node:http").IncomingMessage];
  for (const n of [1, 2, 3]) {
    outgoing.write(String(n));
    const [chunk] = (await once(message, "data")) as [Buffer];
    assert.equal(chunk.toString(), `data: ${n}\n\n`);
  }
  outgoing.end();
  await once(message, "end");
});

test("a client that goes away ends the Worker's work", async () => {
  const outgoing = request({ host: "127.0.0.1", port: it.port, path: "/endless", headers: { host: "app.localhost" }, agent: false });
  outgoing.on("error", () => undefined);
  outgoing.end();
  const [message] = (await once(outgoing, "response")) as [import("node:http").IncomingMessage];
  message.on("error", () => undefined);
  await once(message, "data");
  message.destroy();
  let seen: string[];
  do seen = JSON.parse((await send(it.port, "app.localhost", "/seen")).text);
  while (!seen.includes("aborted") && !seen.includes("cancelled"));
});

test("an answer that comes before the body was read reaches the client", async () => {
  const agent = oneConnection();
  const answer = await send(it.port, "app.localhost", "/early", { agent, method: "POST" }, randomBytes(3_000_000));
  assert.deepEqual([answer.status, answer.text], [413, "no thanks"]);
  assert.equal((await send(it.port, "app.localhost", "/x", { agent })).text, "path /x");
  agent.destroy();
});

test("100-continue is answered when the body is wanted", async () => {
  const headers = { host: "app.localhost", expect: "100-continue", "content-length": "5" };
  const outgoing = request({ host: "127.0.0.1", port: it.port, path: "/echo", method: "POST", headers, agent: false });
  outgoing.flushHeaders();
  await once(outgoing, "continue");
  outgoing.end("hello");
  const [message] = (await once(outgoing, "response")) as [import("node:http").IncomingMessage];
  assert.equal((await once(message, "data"))[0].toString(), "hello");
});

test("an unknown host is told what to do", async () => {
  for (const host of ["nobody.localhost", "localhost", "a.app.localhost", "example.com"]) {
    const answer = await send(it.port, host);
    assert.equal(answer.status, 404);
    assert.match(answer.text, new RegExp(`No Worker is served at ${host.replaceAll(".", "\\.")}\\.[\\s\\S]*longshore deploy`));
  }
});

test("requests that two parsers could read differently are refused", async () => {
  const cases = [
    "POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: xchunked\r\nConnection: close\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: app.localhost\r\nHost: other.localhost\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : app.localhost\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: app.localhost\r\n folded: x\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\nHost: app.localhost\nConnection: close\n\n",
    "GET / HTTP/1.1\r\nHost: app.localhost/evil\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n",
    `GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\nX: ${"x".repeat(40_000)}\r\n\r\n`,
  ];
  for (const text of cases) assert.match(await raw(it.port, text), /^HTTP\/1\.1 (400|431|501) /, text.slice(0, 120));
});

test("a whole URL as target, HTTP/1.0, and an upgrade nobody speaks are served as usual", async () => {
  assert.match(
    await raw(it.port, "GET http://app.localhost/abs?1 HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n"),
    /^HTTP\/1\.1 200 [\s\S]*path \/abs\?1/,
  );
  assert.match(await raw(it.port, "GET /old HTTP/1.0\r\nHost: app.localhost\r\n\r\n"), /^HTTP\/1\.1 200 [\s\S]*path \/old$/);
  const h2c =
    "GET /h2c HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
  assert.match(await raw(it.port, h2c), /^HTTP\/1\.1 200 [\s\S]*path \/h2c/);
});

test("a body that stops coming is given up", async () => {
  await using slow = await testPlatform({ limits: { idleMs: 50 } });
  await slow.deploy("app", CODE);
  const socket = connect(slow.port, "127.0.0.1");
  socket.write("POST /echo HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 10\r\n\r\nhalf");
  const [answer] = await once(socket, "data");
  // The echo may have begun: then the answer is cut short instead.
  assert.match(String(answer), /^HTTP\/1\.1 (408|200)/);
  await once(socket, "close");
});
