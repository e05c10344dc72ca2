import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { QuickServer } from "./quick-server.js";
import { plain, routesHandler } from "./router.js";
import { wholeRequest } from "./whole-request.js";

interface Stage extends AsyncDisposable {
  /** Requests that Node's own server got. */
  readonly byNode: string[];
  /** Resolves when a client of `/hang` has gone. */
  readonly gone: Promise<void>;
  readonly server: QuickServer;
  dial(): Promise<Socket>;
}

async function stage(): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), "quick-"));
  const byNode: string[] = [];
  const { promise: gone, resolve: go } = withResolvers();
  const routes = [
    plain("GET", /^\/hello\/(\w+)$/, ({ parameters: [name], query }) => ({ status: 200, body: { name, mood: query.get("mood") } })),
    plain("POST", /^\/echo$/, async ({ body }) => ({ status: 201, body: await body() })),
    plain("DELETE", /^\/thing$/, () => ({ status: 204 })),
    plain("POST", /^\/hang$/, async ({ client }) => {
      client.once("close", go);
      return await new Promise<never>(() => undefined);
    }),
  ];
  const answerAll = routesHandler(routes);
  const hello = (target: string, connection: Socket, head: Buffer) => void connection.end(`to ${target}: ${head}`);
  const server = new QuickServer({ routes, connect: hello }, (request, response) => {
    byNode.push(`${request.method} ${request.url}`);
    answerAll(request, response);
  });
  const path = join(directory, "s");
  await once(server.listen(path), "listening");
  return {
    byNode,
    gone,
    server,
    async dial() {
      const socket = connect(path);
      await once(socket, "connect");
      return socket;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Writes, and reads until the text has come in full. */
async function say(socket: Socket, text: string, until: string): Promise<string> {
  let heard = "";
  socket.write(text);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    heard += String(chunk);
    if (heard.includes(until)) return heard;
  }
  return heard;
}

test("what workerd sends for a start is answered without Node's server, one request after the other", async () => {
  await using on = await stage();
  const socket = await on.dial();
  assert.match(
    await say(socket, "GET /hello/you?mood=good HTTP/1.1\r\nHost: localhost\r\n\r\n", "}"),
    /^HTTP\/1.1 200 OK\r\n[\s\S]*"you","mood":"good"/,
  );
  const post = 'POST /echo HTTP/1.1\r\nContent-Length: 7\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n{"a":1}';
  assert.match(
    await say(socket, post, "}"),
    /^HTTP\/1.1 201 Created\r\nContent-Type: application\/json\r\nContent-Length: 7\r\n\r\n\{"a":1\}$/,
  );
  const chunked = "DELETE /thing HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: localhost\r\n\r\n0\r\n\r\n";
  assert.equal(await say(socket, chunked, "\r\n\r\n"), "HTTP/1.1 204 No Content\r\n\r\n");
  assert.match(await say(socket, post.replace('{"a":1}', '{"a":1,'), "}"), /^HTTP\/1.1 400 /);
  assert.deepEqual(on.byNode, []);
  socket.destroy();
});

test("everything else goes to Node's server as it came: in pieces, in a row, with other headers, for other routes, broken", async () => {
  await using on = await stage();
  const head = "GET /hello/you HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const pieces = await on.dial();
  pieces.setNoDelay(true);
  pieces.write(head.slice(0, 20));
  // The other half is written when the server has had the first.
  await new Promise((resolve) => setImmediate(resolve));
  assert.match(await say(pieces, head.slice(20), "}"), /200 OK/);
  pieces.destroy();
  const row = await on.dial();
  assert.equal((await say(row, head + head.replace("you", "me"), '"me"')).split("HTTP/1.1 200").length, 3);
  row.destroy();
  const other = await on.dial();
  assert.match(await say(other, head.replace("\r\n\r\n", "\r\nUser-Agent: curl\r\n\r\n"), "}"), /200 OK/);
  assert.match(await say(other, head.replace("/hello/you", "/v1.43/hello/you"), "}"), /200 OK/);
  assert.match(await say(other, head.replace("/hello/you", "/nothing"), "}"), /404/);
  other.destroy();
  const broken = await on.dial();
  assert.match(await say(broken, "GET /hello/you HTTP/1.1\nHost: x\n\n", "400"), /400 Bad Request/);
  broken.destroy();
  assert.ok(on.byNode.length >= 5);
});

test("CONNECT gets the connection, with what came behind it", async () => {
  await using on = await stage();
  const quick = await on.dial();
  assert.equal(
    await say(quick, "CONNECT 127.0.0.1:80 HTTP/1.1\r\nX-Dst-Addr: 127.0.0.1:80\r\n\r\nearly", "early"),
    "to 127.0.0.1:80: early",
  );
  const slow = await on.dial();
  assert.equal(await say(slow, "CONNECT 127.0.0.1:80 HTTP/1.1\r\nX-Other: 1\r\n\r\nearly", "early"), "to 127.0.0.1:80: early");
});

test("a client that goes away while it waits is noticed, and the server can end the connections it has", { timeout: 120_000 }, async () => {
  await using on = await stage();
  const ask = "POST /hang HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: localhost\r\n\r\n0\r\n\r\n";
  const goes = await on.dial();
  goes.write(ask);
  goes.end();
  await on.gone;
  const stays = await on.dial();
  stays.write(ask);
  await new Promise((resolve) => setImmediate(resolve));
  const ended = new Promise((resolve) => stays.resume().once("close", resolve).on("error", resolve));
  on.server.closeAllConnections();
  await ended;
});

test("no doubtful request is taken for a whole one", () => {
  const line = "POST /echo HTTP/1.1\r\n";
  const whole = (text: string) => wholeRequest(Buffer.from(text, "latin1"));
  for (const doubtful of [
    `${line}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`,
    `${line}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`,
    `${line}Content-Length: +2\r\n\r\n{}`,
    `${line}Content-Length: 2\r\n\r\n{}x`,
    `${line}Content-Length: 3\r\n\r\n{}`,
    `${line}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    `${line}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    `${line}Host: a\r\n Content-Length: 2\r\n\r\n`,
    `${line}Host : a\r\n\r\n`,
    `${line}Host: a\nContent-Length: 2\r\n\r\n{}`,
    `${line}Upgrade: tcp\r\n\r\n`,
    `${line}Expect: 100-continue\r\n\r\n`,
    "POST /echo HTTP/1.0\r\n\r\n",
    "POST  /echo HTTP/1.1\r\n\r\n",
    "PATCH /echo HTTP/1.1\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\n\r\n",
    `GET /${"x".repeat(3000)} HTTP/1.1\r\n\r\n`,
  ])
    assert.equal(whole(doubtful), undefined, JSON.stringify(doubtful));
  assert.deepEqual(whole(`${line}Content-Length: 2\r\n\r\n{}`)?.body.toString(), "{}");
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
