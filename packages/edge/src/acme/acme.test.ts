import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Certificates } from "../certificates.js";
import { listenSecurely, secureConnection } from "../fixture-certificates.js";
import { type Platform, send, testPlatform } from "../fixtures.js";
import { type Pebble, startPebble } from "../testing/pebble.js";
import { CertificateDirectory } from "./certificate-directory.js";
import { certifiableHosts } from "./hosts.js";
import { Issuer } from "./issuer.js";
import { ManagedCertificates } from "./managed-certificates.js";
import { dueAt } from "./schedule.js";

const DAY_MS = 86_400_000;
const directory = mkdtempSync(join(tmpdir(), "le-acme-"));
const holder: { issuer?: Issuer } = {};
let it: Platform;
let certificates: Certificates;
let securePort: number;
let authority: Pebble;

before(async () => {
  certificates = new Certificates();
  it = await testPlatform({ certificates, challengeAnswer: (token) => holder.issuer?.challengeAnswer(token) });
  await it.deploy("app", "export default { fetch: () => new Response('fine') };");
  it.edge.publish([{ name: "app", enabled: true, domains: ["shop.example.com", "other.example.com"], routes: [] }]);
  securePort = await listenSecurely(it.edge);
  authority = await startPebble({ webPort: it.port });
  holder.issuer = await newIssuer();
});
after(async () => {
  authority[Symbol.dispose]();
  await it[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const files = () => CertificateDirectory.open(join(directory, "issued"));
const newIssuer = async () =>
  new Issuer({ directoryUrl: authority.directoryUrl, ca: authority.ca, email: "owner@example.com", directory: await files() });

async function manage(messages: string[], changes: { clock?: () => number; issuer?: Issuer } = {}): Promise<ManagedCertificates> {
  const { clock = Date.now, issuer = holder.issuer } = changes;
  assert.ok(issuer !== undefined);
  return ManagedCertificates.open({
    certificates,
    directory: await files(),
    issue: (host) => issuer.issue(host),
    clock,
    log: (message) => messages.push(message),
  });
}

async function until(done: () => boolean, what: () => string): Promise<void> {
  for (let turn = 0; !done(); turn++) {
    assert.ok(turn < 600, what());
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function shown(host: string): Promise<{ names: string | undefined; serial: string | undefined; issuer: string | undefined }> {
  const socket = await secureConnection(securePort, host);
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  return { names: certificate?.subjectAltName, serial: certificate?.serialNumber, issuer: certificate?.issuer };
}

test("hosts get certificates that an authority has issued after it has asked the edge; a failure does not stop the others", async () => {
  const messages: string[] = [];
  using managed = await manage(messages);
  await assert.rejects(secureConnection(securePort, "shop.example.com"));
  managed.setHosts(["blocked.example", "shop.example.com", "other.example.com"]);
  await until(
    () => certificates.has("shop.example.com") && certificates.has("other.example.com"),
    () => messages.join("\n"),
  );
  const { names, issuer } = await shown("shop.example.com");
  assert.equal(names, "DNS:shop.example.com");
  assert.match(issuer ?? "", /Pebble/);
  assert.ok(
    messages.some((message) => /There is no new certificate for blocked\.example: .* The next try is at/.test(message)),
    messages.join("\n"),
  );
  assert.equal((await send(it.port, "shop.example.com", "/")).text, "fine");
});

test("certificates and the account survive a restart, readable for their owner alone; nothing is asked for again", async () => {
  const before = await shown("shop.example.com");
  certificates = Object.assign(certificates, new Certificates());
  const messages: string[] = [];
  using managed = await manage(messages, { issuer: await newIssuer() });
  managed.setHosts(["shop.example.com", "other.example.com"]);
  assert.deepEqual(await shown("shop.example.com"), before);
  assert.deepEqual(messages, []);
  for (const name of ["account.json", "shop.example.com.certificate.json"])
    assert.equal(statSync(join(directory, "issued", name)).mode & 0o077, 0);
  assert.equal(statSync(join(directory, "issued")).mode & 0o077, 0);
});

test("a certificate is renewed before it ends, with the account that is there; while the authority is away the old one is shown", async () => {
  const before = await shown("other.example.com");
  let now = Date.now();
  const messages: string[] = [];
  const account = await (await files()).account(authority.directoryUrl);
  assert.match(account?.url ?? "", /^https:/);
  const broken = new Issuer({
    directoryUrl: "https://localhost:1/dir",
    directory: await CertificateDirectory.open(join(directory, "broken")),
  });
  {
    using away = await manage(messages, { issuer: broken, clock: () => now + 5 * 365 * DAY_MS * 0.7 });
    away.setHosts(["other.example.com"]);
    await until(
      () => messages.length > 0,
      () => "no message",
    );
    assert.match(messages[0] ?? "", /There is no new certificate for other\.example\.com/);
    assert.deepEqual(await shown("other.example.com"), before);
  }
  assert.match(messages[0] ?? "", /The authority at https:\/\/localhost:1\/dir does not answer\./);
  holder.issuer = await newIssuer();
  using managed = await manage(messages, { clock: () => now });
  // Pebble's certificates are valid for five years.
  now += 5 * 365 * DAY_MS * 0.7;
  managed.setHosts(["other.example.com"]);
  await until(
    () => messages.length > 1,
    () => messages.join("\n"),
  );
  const after = await shown("other.example.com");
  assert.equal(after.names, before.names);
  assert.notEqual(after.serial, before.serial, messages.join("\n"));
  assert.equal((await (await files()).account(authority.directoryUrl))?.url, account?.url);
});

test("broken files are as good as none, and take nothing down", async () => {
  const path = join(directory, "damaged");
  const damaged = await CertificateDirectory.open(path);
  writeFileSync(join(path, "account.json"), "{");
  writeFileSync(join(path, "a.example.com.certificate.json"), "");
  writeFileSync(join(path, "b.example.com.certificate.json"), JSON.stringify({ cert: "no certificate", key: "no key" }));
  assert.equal(await damaged.account("https://ca.example/dir"), undefined);
  const messages: string[] = [];
  const issue = () => Promise.reject(new Error("not now"));
  const options = { certificates: new Certificates(), directory: damaged, issue, clock: Date.now };
  using managed = await ManagedCertificates.open({ ...options, log: (message) => messages.push(message) });
  assert.match(messages.join("\n"), /certificate of b\.example\.com cannot be read, and is asked for again/);
  managed.setHosts(["a.example.com"]);
  await until(
    () => messages.length > 1,
    () => "no message",
  );
  assert.match(messages[1] ?? "", /no new certificate for a\.example\.com: not now\. The next try is at/);
});

test("when a certificate is due", () => {
  assert.equal(dueAt({ failures: 0, failedAt: 0 }), 0);
  const validity = { from: 0, to: 90 * DAY_MS };
  assert.equal(dueAt({ validity, failures: 0, failedAt: 0 }), 60 * DAY_MS);
  assert.equal(dueAt({ failures: 1, failedAt: 1000 }), 1000 + 5 * 60_000);
  assert.equal(dueAt({ failures: 50, failedAt: 1000 }), 1000 + 6 * 3_600_000);
  assert.equal(dueAt({ validity, failures: 1, failedAt: 1000 }), 60 * DAY_MS);
});

test("only whole public host names are asked for", () => {
  const routes = ["shop.example.com/api/*", "*.example.com/*", "*/*", "api.example.com/x"];
  const scripts = [
    { name: "app", enabled: true, domains: ["shop.example.com", "localhost", "x.localhost"], routes },
    { name: "off", enabled: false, domains: [], routes: ["bad/*/x"] },
    { name: "under_score", enabled: true, domains: [], routes: [] },
  ];
  assert.deepEqual(certifiableHosts(scripts, "apps.example.com"), ["shop.example.com", "api.example.com", "app.apps.example.com"]);
  assert.deepEqual(certifiableHosts(scripts, "localhost"), ["shop.example.com", "api.example.com"]);
});
