import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Platform, raw, send, testPlatform } from "./fixtures.js";

/** Remembers every request that it sees. */
const CODE = `
let seen = [];
export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/seen") { const all = seen; seen = []; return Response.json(all); }
  seen.push([request.method, pathname, await request.text()].join(" ").trim());
  return new Response("ok");
} };`;

let it: Platform;
before(async () => {
  it = await testPlatform();
  await it.deploy("app", CODE);
});
after(() => it[Symbol.asyncDispose]());

const HOST = "Host: app.localhost\r\n";
/** What would be a request of its own, if anybody took it for one. */
const HIDDEN = `GET /hidden HTTP/1.1\r\n${HOST}\r\n`;
const CHUNKED = "Transfer-Encoding: chunked\r\n";
const post = (headers: string, body: string): string => `POST /a HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;

/** Bytes, the status of the first answer, and what the Worker may see of it. */
const CASES: readonly (readonly [name: string, bytes: string, status: number, seen: readonly string[]])[] = [
  ["length and chunks", post(`Content-Length: 4\r\n${CHUNKED}`, `0\r\n\r\n${HIDDEN}`), 400, []],
  ["chunks and length", post(`${CHUNKED}Content-Length: 4\r\n`, `0\r\n\r\n${HIDDEN}`), 400, []],
  ["two lengths", post("Content-Length: 0\r\nContent-Length: 44\r\n", HIDDEN), 400, []],
  ["two equal lengths", post("Content-Length: 0\r\nContent-Length: 0\r\n", HIDDEN), 400, []],
  ["a list of lengths", post("Content-Length: 0, 44\r\n", HIDDEN), 400, []],
  ["a negative length", post("Content-Length: -1\r\n", HIDDEN), 400, []],
  ["a length with a sign", post("Content-Length: +4\r\n", `abcd${HIDDEN}`), 400, []],
  ["a hexadecimal length", post("Content-Length: 0x4\r\n", `abcd${HIDDEN}`), 400, []],
  ["a huge length", post("Content-Length: 99999999999999999999\r\n", HIDDEN), 400, []],
  ["a space before the colon", post("Content-Length : 4\r\n", `abcd${HIDDEN}`), 400, []],
  ["a folded header", post(`X: a\r\n ${CHUNKED}`, HIDDEN), 400, []],
  ["a folded coding", post(`Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n`, `0\r\n\r\n${HIDDEN}`), 400, []],
  ["bare line feeds", `POST /a HTTP/1.1\n${HOST.replace("\r", "")}Content-Length: 4\n\nabcd${HIDDEN}`, 400, []],
  ["a bare line feed in a value", post(`X: a\n${CHUNKED}`, HIDDEN), 400, []],
  ["a bare return in a value", post("X: a\rContent-Length: 44\r\n", HIDDEN), 400, []],
  ["a zero byte in a value", post("X: a\0b\r\n", HIDDEN), 400, []],
  ["a zero byte in a name", post("X\0: a\r\n", HIDDEN), 400, []],
  ["a zero byte in the path", `GET /a\0b HTTP/1.1\r\n${HOST}\r\n`, 400, []],
  ["a coding that only looks chunked", post(`Transfer-Encoding: xchunked\r\n`, HIDDEN), 501, []],
  ["a coding in quotes", post(`Transfer-Encoding: "chunked"\r\n`, HIDDEN), 501, []],
  ["a coding after a vertical tab", post(`Transfer-Encoding: \x0bchunked\r\n`, HIDDEN), 400, []],
  ["identity", post(`Transfer-Encoding: identity\r\n`, HIDDEN), 501, []],
  ["chunked twice", post(`Transfer-Encoding: chunked, chunked\r\n`, `0\r\n\r\n${HIDDEN}`), 400, []],
  ["gzip, chunked", post(`Transfer-Encoding: gzip, chunked\r\n`, `0\r\n\r\n${HIDDEN}`), 501, []],
  ["chunked, then another line of identity", post(`${CHUNKED}Transfer-Encoding: identity\r\n`, `0\r\n\r\n${HIDDEN}`), 400, []],
  ["chunks in HTTP/1.0", `POST /a HTTP/1.0\r\n${HOST}${CHUNKED}Connection: keep-alive\r\n\r\n0\r\n\r\n${HIDDEN}`, 400, []],
  ["a chunk size that is no number", post(CHUNKED, `g\r\nabc\r\n0\r\n\r\n${HIDDEN}`), 400, []],
  ["a chunk size of 2^64 and more", post(CHUNKED, `10000000000000003\r\nabc\r\n0\r\n\r\n${HIDDEN}`), 400, []],
  ["a chunk that is longer than it says", post(CHUNKED, `1\r\nabc\r\n0\r\n\r\n${HIDDEN}`), 400, []],
  ["a chunk size with a bare line feed", post(CHUNKED, `3\nabc\n0\n\n${HIDDEN}`), 400, []],
  ["a chunk extension with a line feed", post(CHUNKED, `3;a\nb\r\nabc\r\n0\r\n\r\n${HIDDEN}`), 400, []],
  ["chunk extensions without end", post(CHUNKED, `3;${"a".repeat(20_000)}\r\nabc\r\n0\r\n\r\n`), 413, []],
  ["two hosts", `GET /a HTTP/1.1\r\n${HOST}Host: other.localhost\r\n\r\n${HIDDEN}`, 400, []],
  ["no host", "GET /a HTTP/1.1\r\nX: y\r\n\r\n", 400, []],
  ["a host with a path", `GET /a HTTP/1.1\r\nHost: app.localhost/x\r\n\r\n${HIDDEN}`, 400, []],
  ["a host with a user", `GET /a HTTP/1.1\r\nHost: x@app.localhost\r\n\r\n${HIDDEN}`, 400, []],
  [
    "a whole URL wins over Host",
    `GET http://app.localhost/abs HTTP/1.1\r\nHost: other.localhost\r\nConnection: close\r\n\r\n`,
    200,
    ["GET /abs"],
  ],
  ["a whole URL with a user", `GET http://x@app.localhost/abs HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 400, []],
  ["another scheme", `GET ftp://app.localhost/abs HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 400, []],
  ["CONNECT", `CONNECT app.localhost:80 HTTP/1.1\r\n${HOST}\r\n${HIDDEN}`, 405, []],
  ["an upgrade with a body", post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n", `abcd${HIDDEN}`), 400, []],
  [
    "an upgrade that the Worker does not take",
    `GET /a HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n${HIDDEN}`,
    200,
    ["GET /a"],
  ],
  [
    "an upgrade to HTTP/2 is no more than a request",
    `GET /a HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n${HIDDEN}`,
    200,
    ["GET /a"],
  ],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, []],
  ["a version that is none", `GET /a HTTP/1.2\r\n${HOST}\r\n`, 400, []],
  ["a version of HTTP/0.9", "GET /a\r\n\r\n", 400, []],
  ["a method with a space before it", ` GET /a HTTP/1.1\r\n${HOST}\r\n`, 400, []],
  [
    "a body that a GET does not need stays a body",
    `GET /a HTTP/1.1\r\n${HOST}Content-Length: ${HIDDEN.length}\r\nConnection: close\r\n\r\n${HIDDEN}`,
    200,
    [`GET /a ${HIDDEN.trim()}`],
  ],
  ["Connection cannot drop the length", post("Connection: close, content-length\r\nContent-Length: 4\r\n", "abcd"), 200, ["POST /a abcd"]],
  ["Connection cannot drop the host", `GET /a HTTP/1.1\r\n${HOST}Connection: close, host\r\n\r\n`, 200, ["GET /a"]],
  ["a long line", `GET /${"a".repeat(20_000)} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 414, []],
  ["a line longer than a head", `GET /${"a".repeat(60_000)} HTTP/1.1\r\n${HOST}\r\n`, 414, []],
  ["a large header", `GET /a HTTP/1.1\r\n${HOST}X: ${"x".repeat(40_000)}\r\n\r\n`, 431, []],
  ["many headers", `GET /a HTTP/1.1\r\n${HOST}${"a:\r\n".repeat(9000)}\r\n`, 431, []],
];

for (const [name, bytes, status, expected] of CASES) {
  test(`${name}: ${status}`, { timeout: 120_000 }, async () => {
    const answer = await raw(it.port, bytes);
    assert.equal(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0), status, answer.slice(0, 200));
    const seen = JSON.parse((await send(it.port, "app.localhost", "/seen")).text) as string[];
    assert.deepEqual(
      seen.map((each) => each.replace(/\s+/g, " ")),
      expected.map((each) => each.replace(/\s+/g, " ")),
    );
  });
}

test("an upgrade behind a request that is not answered yet gets nothing", { timeout: 120_000 }, async () => {
  const upgrade = `GET /u HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const answer = await raw(it.port, `GET /a HTTP/1.1\r\n${HOST}\r\n${upgrade}`);
  assert.doesNotMatch(answer, /101/);
  assert.ok(!(JSON.parse((await send(it.port, "app.localhost", "/seen")).text) as string[]).includes("GET /u"));
});

test("pipelined requests are answered in their order", async () => {
  const one = (path: string, more = "") => `GET /${path} HTTP/1.1\r\n${HOST}${more}\r\n`;
  const answer = await raw(it.port, one("p1") + post("Content-Length: 2\r\n", "hi") + one("p2", "Connection: close\r\n"));
  assert.equal(answer.match(/HTTP\/1\.1 200/g)?.length, 3);
  assert.deepEqual(JSON.parse((await send(it.port, "app.localhost", "/seen")).text), ["GET /p1", "POST /a hi", "GET /p2"]);
});
