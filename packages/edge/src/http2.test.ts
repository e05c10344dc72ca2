import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type ClientHttp2Session, constants } from "node:http2";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Certificates } from "./certificates.js";
import { ask, http2Session, listenSecurely } from "./fixture-certificates.js";
import { type Platform, testPlatform } from "./fixtures.js";
import { selfSigned } from "./testing/pebble.js";

const CODE = `
const seen = [];
export default { async fetch(request) {
  const url = new URL(request.url);
  if (request.headers.get("upgrade") === "websocket") {
    if (url.pathname === "/refuse") return new Response("no", { status: 403 });
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener("message", ({ data }) => server.send("echo " + data));
    return new Response(null, { status: 101, webSocket: client });
  }
  switch (url.pathname) {
    case "/echo": return new Response(request.body);
    case "/headers": {
      const headers = new Headers({ "content-type": "application/json" });
      headers.append("set-cookie", "a=1");
      headers.append("set-cookie", "b=2");
      return new Response(JSON.stringify({ url: request.url, method: request.method, cf: request.cf, headers: [...request.headers] }), { headers });
    }
    case "/early": return new Response("no thanks", { status: 413 });
    case "/nothing": return new Response(null, { status: 204 });
    case "/endless": {
      request.signal.addEventListener("abort", () => seen.push("aborted"));
      return new Response(new ReadableStream({ async pull(c) { c.enqueue(new Uint8Array(1000)); await scheduler.wait(5); }, cancel() { seen.push("cancelled"); } }));
    }
    case "/seen": return Response.json(seen);
    default: return new Response("path " + url.pathname + url.search);
  }
} };`;

const host = "app.localhost";
let it: Platform;
let port: number;
let session: ClientHttp2Session;
before(async () => {
  const certificates = new Certificates();
  certificates.setOwn([selfSigned(host)]);
  it = await testPlatform({ certificates });
  await it.deploy("app", CODE);
  port = await listenSecurely(it.edge);
  session = await http2Session(port, host);
});
after(async () => {
  session.destroy();
  await it[Symbol.asyncDispose]();
});

test("many requests at the same time share a connection", async () => {
  const paths = Array.from({ length: 300 }, (_, index) => `/r${index}?x=${index}`);
  const answers = await Promise.all(paths.map((path) => ask(session, { ":path": path })));
  assert.deepEqual(
    answers.map(({ status, text }) => `${status} ${text}`),
    paths.map((path) => `200 path ${path}`),
  );
});

test("headers pass as in HTTP/1: cookies joined, several Set-Cookie apart, nothing between two neighbours", async () => {
  const { headers, text } = await ask(session, {
    ":path": "/headers",
    ":authority": host,
    cookie: ["a=1", "b=2"],
    te: "trailers",
    "cf-connecting-ip": "6.6.6.6",
    "longshore-cf": "{}",
    "x-kept": "yes",
  });
  const seen = JSON.parse(text) as { url: string; method: string; cf: Record<string, string>; headers: [string, string][] };
  assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
  assert.match(String(headers["cf-ray"]), /^[0-9a-f]{16}-LSH$/);
  assert.deepEqual([seen.url, seen.method, seen.cf.httpProtocol], [`https://${host}/headers`, "GET", "HTTP/2"]);
  const fields = new Map(seen.headers);
  assert.deepEqual(
    ["host", "cookie", "te", "cf-connecting-ip", "longshore-cf", "x-kept"].map((name) => fields.get(name)),
    [host, "a=1; b=2", undefined, "127.0.0.1", undefined, "yes"],
  );
});

test("bodies go both ways byte for byte; answers without a body have none", async () => {
  const body = randomBytes(5_000_000);
  const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  for (const headers of [{}, { "content-length": String(body.length) }]) {
    const answer = await ask(session, { ":path": "/echo", ":method": "POST", ...headers }, body);
    assert.equal(digest(answer.body), digest(body));
  }
  const head = await ask(session, { ":path": "/x", ":method": "HEAD" });
  assert.deepEqual([head.status, head.text], [200, ""]);
  assert.equal((await ask(session, { ":path": "/nothing" })).status, 204);
  const early = await ask(session, { ":path": "/early", ":method": "POST" }, randomBytes(3_000_000));
  assert.deepEqual([early.status, early.text], [413, "no thanks"]);
  assert.equal((await ask(session, { ":path": "/x", ":authority": "nobody.localhost" })).status, 404);
});

test("both directions stream at the same time", async () => {
  const stream = session.request({ ":path": "/echo", ":method": "POST" }, { endStream: false });
  for (const piece of ["one", "two", "three"]) {
    stream.write(piece);
    const [chunk] = (await once(stream, "data")) as [Buffer];
    assert.equal(chunk.toString(), piece);
  }
  stream.end();
  await once(stream, "end");
});

test("a client that gives a request up ends the Worker's work, and the connection goes on", async () => {
  const stream = session.request({ ":path": "/endless" });
  stream.on("error", () => undefined);
  await once(stream, "data");
  stream.close(constants.NGHTTP2_CANCEL);
  let seen: string[];
  do seen = JSON.parse((await ask(session, { ":path": "/seen" })).text);
  while (!seen.includes("aborted") && !seen.includes("cancelled"));
});

test("a WebSocket is a stream of the connection", async () => {
  const open = (path: string) => {
    const connect = { ":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":authority": host, ":path": path };
    return session.request({ ...connect, "sec-websocket-version": "13" }, { endStream: false });
  };
  const stream = open("/");
  assert.equal(((await once(stream, "response")) as [Record<string, unknown>])[0][":status"], 200);
  // A masked text frame: "hi".
  stream.write(Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x68 ^ 1, 0x69 ^ 2]));
  const [frame] = (await once(stream, "data")) as [Buffer];
  assert.equal(frame.subarray(2).toString(), "echo hi");
  stream.end();
  await once(stream, "close");
  const refused = open("/refuse");
  assert.equal(((await once(refused, "response")) as [Record<string, unknown>])[0][":status"], 403);
  refused.close();
});

test("what HTTP/1 cannot say is refused, and never sent on", async () => {
  const cases: Record<string, string>[] = [
    { ":path": "/a b" },
    { ":path": "/a\tb" },
    { ":path": "*" },
    { ":path": "nowhere" },
    { ":path": "/x", ":authority": "app.localhost/evil" },
    { ":path": "/x", host: "other.localhost" },
    { ":path": "/x", ":method": "CONNECT", ":protocol": "h2c", ":scheme": "https" },
  ];
  for (const headers of cases) {
    const outcome = await ask(session, { ":authority": host, ...headers }).then(
      ({ status }) => status,
      () => "reset",
    );
    assert.ok(outcome === 400 || outcome === 405 || outcome === "reset", `${JSON.stringify(headers)}: ${outcome}`);
  }
});

test("another implementation of HTTP/2 is served: h2load", async () => {
  const args = ["-n", "2000", "-c", "4", "-m", "50", `--connect-to=127.0.0.1:${port}`, `https://${host}/load`];
  const { stdout } = await promisify(execFile)("h2load", args, { timeout: 60_000 });
  assert.match(stdout, /requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout/);
  assert.match(stdout, /Application protocol: h2/);
});
