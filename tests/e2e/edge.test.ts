import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { connect } from "node:tls";
import { freePort, type Pebble, selfSigned, startPebble } from "@longshore/edge/testing";
import { appDirectory, eventually, type Platform, platformSuite } from "@longshore/testkit";

const directory = mkdtempSync(join(tmpdir(), "longshore-edge-"));
const certificates = join(directory, "certificates");
mkdirSync(certificates, { mode: 0o700 });
const authorityServer = selfSigned("localhost");
writeFileSync(join(directory, "ca.pem"), authorityServer.cert);
writePair("own", "own.example.com");
const authorityPort = await freePort();
let authority: Pebble | undefined;

const { test } = platformSuite({
  images: [],
  flags: [
    ...["--tls-port", "0", "--tls-certificates", certificates, "--country", "SE", "--location", "arn01"],
    ...["--acme", `https://localhost:${authorityPort}/dir`, "--acme-ca", join(directory, "ca.pem"), "--http", "redirect"],
    ...["--max-body", "1", "--rate-limits", "limited.example.com=1:2"],
  ],
});
after(() => {
  authority?.[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** Files that only root can read. */
function writePair(name: string, host: string): string {
  const { cert, key } = selfSigned(host);
  writeFileSync(join(certificates, `${name}.crt`), cert, { mode: 0o600 });
  writeFileSync(join(certificates, `${name}.key`), key, { mode: 0o600 });
  return cert;
}

const CODE = `export default { async fetch(request) {
  return Response.json({ url: request.url, cf: request.cf, length: (await request.text()).length });
} };`;
const domain = (pattern: string) => ({ pattern, custom_domain: true });
const site = (routes: readonly unknown[]) =>
  appDirectory({
    files: {
      "wrangler.jsonc": JSON.stringify({ name: "site", main: "index.js", compatibility_date: "2026-04-01", routes }),
      "index.js": CODE,
    },
  });

async function shown(platform: Platform, host: string) {
  const socket = connect({ port: platform.presence.tlsPort ?? 0, host: "127.0.0.1", servername: host, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  return { issuer: certificate?.issuer ?? "", serial: certificate?.serialNumber, host: certificate?.checkHost(host) };
}

/** A request by HTTP/2. */
async function ask(platform: Platform, host: string, path: string, body?: string) {
  const port = platform.presence.tlsPort ?? 0;
  const options = { port, host: "127.0.0.1", servername: host, ALPNProtocols: ["h2"], rejectUnauthorized: false };
  const session = connectHttp2(`https://${host}`, { createConnection: () => connect(options) });
  // Its requests fail with it.
  session.on("error", () => undefined);
  try {
    const method = body === undefined ? "GET" : "POST";
    const stream = session.request({ ":path": path, ":authority": host, ":method": method }, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    const [headers] = (await once(stream, "response")) as [Record<string, string>];
    const text = Buffer.concat((await stream.toArray()) as Buffer[]).toString();
    return { status: Number(headers[":status"]), text };
  } finally {
    session.destroy();
  }
}

test("custom domains get certificates from the authority, those of files keep theirs; HTTP/2, request.cf, limits", async (platform) => {
  authority = await startPebble({ webPort: platform.presence.edgePort, apiPort: authorityPort, server: authorityServer });
  using app = site([domain("shop.example.com"), domain("own.example.com"), domain("limited.example.com"), "example.org/api/*"]);
  await platform.deploy(app.path, { version: "latest" });
  await eventually("certificates", 100_000, async () => /Pebble/.test((await shown(platform, "limited.example.com")).issuer) || undefined);
  const shop = await shown(platform, "shop.example.com");
  assert.match(shop.issuer, /Pebble/);
  assert.equal(shop.host, "shop.example.com");
  assert.doesNotMatch((await shown(platform, "own.example.com")).issuer, /Pebble/);

  const answer = await ask(platform, "shop.example.com", "/a");
  assert.equal(answer.status, 200, answer.text);
  const { url, cf } = JSON.parse(answer.text) as { url: string; cf: Record<string, string> };
  assert.equal(url, "https://shop.example.com/a");
  assert.deepEqual([cf.country, cf.colo, cf.httpProtocol, cf.tlsVersion], ["SE", "arn01", "HTTP/2", "TLSv1.3"]);
  assert.equal((await ask(platform, "example.org", "/api/x")).status, 200);
  assert.equal((await ask(platform, "example.org", "/other")).status, 404);
  assert.equal((await ask(platform, "shop.example.com", "/", "x".repeat(1 << 20))).status, 200);
  assert.equal((await ask(platform, "shop.example.com", "/", "x".repeat((1 << 20) + 1))).status, 413);
  const limited = [];
  for (let turn = 0; turn < 3; turn++) limited.push((await ask(platform, "limited.example.com", "/")).status);
  assert.deepEqual(limited, [200, 200, 429]);
});

test("plain requests are redirected; wrangler's default with routes switches the Worker's own name off", async (platform) => {
  const { edgePort, tlsPort } = platform.presence;
  const outgoing = request({ host: "127.0.0.1", port: edgePort, path: "/x", headers: { host: "shop.example.com" }, agent: false });
  outgoing.end();
  const [redirected] = (await once(outgoing, "response")) as [IncomingMessage];
  redirected.resume();
  assert.deepEqual([redirected.statusCode, redirected.headers.location], [308, `https://shop.example.com:${tlsPort}/x`]);
  const response = await platform.fetch("site", "/");
  assert.equal(response.status, 404);
  assert.match(await response.text(), /its configuration switches that address off/);
  const { stdout } = await platform.succeed(["domains"]);
  assert.match(stdout, /Custom domain shop\.example\.com: site\n[\s\S]*Route example\.org\/api\/\*: site/);
});

test("a changed file counts at once; a killed server has all certificates again, and asks for none", async (platform) => {
  const before = await shown(platform, "shop.example.com");
  const old = await shown(platform, "own.example.com");
  writePair("own", "own.example.com");
  await eventually(
    "the new certificate",
    20_000,
    async () => (await shown(platform, "own.example.com")).serial !== old.serial || undefined,
  );
  const own = await shown(platform, "own.example.com");
  writeFileSync(join(certificates, "own.key"), "nonsense");
  await platform.kill("server");
  await eventually("an answer", 30_000, async () => {
    const answer = await ask(platform, "shop.example.com", "/again").catch(() => undefined);
    return answer?.status === 200 || undefined;
  });
  assert.deepEqual(await shown(platform, "shop.example.com"), before);
  assert.deepEqual(await shown(platform, "own.example.com"), own, "a broken file does not take the certificate away");
  await eventually(
    "what is wrong with it",
    20_000,
    async () => /own\.crt with the key .* cannot be used/.test(platform.output) || undefined,
  );
  for (const name of ["account.json", "shop.example.com.certificate.json"]) {
    assert.equal(statSync(join(platform.data, "acme", name)).mode & 0o077, 0, name);
  }
});

test("a domain that was taken away is served no more", async (platform) => {
  await platform.succeed(["domains", "remove", "shop.example.com"]);
  assert.equal((await ask(platform, "shop.example.com", "/")).status, 404);
  const again = await platform.longshore(["domains", "remove", "shop.example.com"]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /No Worker has the custom domain shop\.example\.com/);
});
