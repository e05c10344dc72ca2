import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { Certificates } from "./certificates.js";
import { listenSecurely, secureConnection } from "./fixture-certificates.js";
import { type Platform, raw, send, testPlatform } from "./fixtures.js";
import { selfSigned } from "./testing/pebble.js";

const CODE = `export default { fetch(request) {
  return Response.json({ url: request.url, cf: request.cf, headers: [...request.headers] });
} };`;

const first = selfSigned("app.localhost");
const wild = selfSigned("*.example.com", "example.com");
const challenges = new Map<string, string>();
let redirectTo: number | undefined;
let certificates: Certificates;
let it: Platform;
let port: number;
before(async () => {
  certificates = new Certificates();
  certificates.setOwn([first, wild]);
  it = await testPlatform({
    certificates,
    redirectTo: () => redirectTo,
    challengeAnswer: (token) => challenges.get(token),
    place: { country: "DE", colo: "döck 1" },
  });
  await it.deploy("app", CODE);
  it.edge.publish([{ name: "app", enabled: true, domains: ["shop.example.com"], routes: [] }]);
  port = await listenSecurely(it.edge);
});
after(() => it[Symbol.asyncDispose]());

const shown = async (host: string): Promise<string | undefined> => {
  const socket = await secureConnection(port, host);
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  return certificate?.subjectAltName;
};

async function get(host: string, headers: Record<string, string> = {}) {
  const options = { host: "127.0.0.1", port, path: "/x", servername: host, headers: { host, ...headers }, agent: false };
  const outgoing = httpsRequest({ ...options, rejectUnauthorized: false });
  outgoing.end();
  const [message] = (await once(outgoing, "response")) as [import("node:http").IncomingMessage];
  return { status: message.statusCode, text: await text(message) };
}

test("each host gets its certificate, a wildcard's too; the first one is for all others", async () => {
  assert.equal(await shown("app.localhost"), "DNS:app.localhost");
  assert.equal(await shown("shop.example.com"), "DNS:*.example.com, DNS:example.com");
  assert.equal(await shown("example.com"), "DNS:*.example.com, DNS:example.com");
  assert.equal(await shown("a.shop.example.com"), "DNS:app.localhost");
});

test("new certificates count from the next connection on; what cannot be a pair changes nothing", async () => {
  const kept = await secureConnection(port, "app.localhost");
  const renewed = selfSigned("app.localhost");
  certificates.setOwn([renewed, wild]);
  const serial = new X509Certificate(renewed.cert).serialNumber;
  const next = await secureConnection(port, "app.localhost");
  assert.equal(next.getPeerX509Certificate()?.serialNumber, serial);
  next.destroy();
  assert.throws(() => certificates.setOwn([{ cert: first.cert, key: wild.key }]));
  assert.equal(await shown("app.localhost"), "DNS:app.localhost");
  certificates.setIssued("other.example.org", selfSigned("other.example.org"));
  assert.equal(await shown("other.example.org"), "DNS:other.example.org");
  kept.write("GET /x HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n");
  assert.match(await text(kept), /^HTTP\/1\.1 200 /);
});

test("the Worker sees https, and in request.cf what is known of the connection and of the place", async () => {
  const answer = await get("app.localhost", { "longshore-cf": '{"country":"T1"}', "accept-encoding": "br, gzip" });
  const { url, cf, headers } = JSON.parse(answer.text) as { url: string; cf: Record<string, string>; headers: [string, string][] };
  assert.equal(url, "https://app.localhost/x");
  const seen = new Map(headers);
  assert.deepEqual([seen.get("x-forwarded-proto"), seen.get("cf-visitor")], ["https", '{"scheme":"https"}']);
  assert.equal(seen.get("longshore-cf"), undefined);
  const { tlsCipher, ...others } = cf;
  assert.match(tlsCipher ?? "", /^TLS_/);
  const known = { country: "DE", colo: "döck 1", tlsVersion: "TLSv1.3", httpProtocol: "HTTP/1.1", clientAcceptEncoding: "br, gzip" };
  assert.deepEqual(others, known);
  const plain = JSON.parse((await send(it.port, "app.localhost", "/x")).text) as { cf: Record<string, string> };
  assert.deepEqual(plain.cf, { country: "DE", colo: "döck 1", tlsVersion: "", tlsCipher: "", httpProtocol: "HTTP/1.1" });
});

test("plain requests are sent to TLS where there is a certificate, except a certificate authority's", async () => {
  redirectTo = 8443;
  try {
    const answer = await send(it.port, "shop.example.com:8080", "/a?b=c", { method: "POST" });
    assert.deepEqual([answer.status, answer.message.headers.location], [308, "https://shop.example.com:8443/a?b=c"]);
    redirectTo = 443;
    assert.equal((await send(it.port, "app.localhost", "/")).message.headers.location, "https://app.localhost/");
    assert.equal((await send(it.port, "unknown.example.com", "/")).status, 404);
    challenges.set("token-1", "token-1.thumbprint");
    const challenge = await send(it.port, "shop.example.com", "/.well-known/acme-challenge/token-1");
    assert.deepEqual([challenge.status, challenge.text], [200, "token-1.thumbprint"]);
    assert.equal((await send(it.port, "shop.example.com", "/.well-known/acme-challenge/other")).status, 308);
  } finally {
    redirectTo = undefined;
  }
  assert.equal((await send(it.port, "shop.example.com", "/")).status, 200);
});

test("a handshake that fails ends its connection, and nothing else", async () => {
  assert.match(await raw(port, "GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n"), /^$|HTTP\/1\.1 400/);
  const old = connect({
    port,
    host: "127.0.0.1",
    servername: "app.localhost",
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1",
    rejectUnauthorized: false,
  });
  await assert.rejects(once(old, "secureConnect"));
  assert.equal((await get("app.localhost")).status, 200);
  await using bare = await testPlatform({ certificates: new Certificates() });
  const barePort = await listenSecurely(bare.edge);
  await assert.rejects(secureConnection(barePort, "app.localhost"));
});
