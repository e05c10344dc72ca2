import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type OutboundAnswer, OutboundConnection } from "../testing/egress-client.js";
import type { ProcessContainer } from "../testing/process-container.js";
import { type Stage, stage } from "../testing/stage.js";

const worker = (file: string) => fileURLToPath(new URL(`../../src/testing/workers/${file}`, import.meta.url));
const SCRIPT = worker("outbound.js");
const CLASSES = { Open: "hello", Hosts: "hello", Full: "hello", Listed: "hello", Former: "hello" };

const internet = createServer((request, response) => response.end(`the Internet: ${request.headers.host}${request.url}`));
let on: Stage;
before(async () => {
  await once(internet.listen(0, "127.0.0.1"), "listening");
  const { port } = internet.address() as AddressInfo;
  on = await stage({ script: SCRIPT, classes: CLASSES, internet: `127.0.0.1:${port}`, vars: { NAME: "from env" } });
});
after(async () => {
  await on[Symbol.asyncDispose]();
  internet.close();
});

/** Starts the object's container and returns it. */
async function started(object: string): Promise<ProcessContainer> {
  const response = await on.fetch(`/${object}/`);
  assert.equal(response.status, 200, await response.text());
  const [name, instance] = object.split("/");
  const id = await (await fetch(`${on.worker.url}/ids/${name}?name=${instance}`)).text();
  const container = on.engine.running().find((candidate) => candidate.name.endsWith(id));
  assert.ok(container);
  return container;
}

/** What a container gets for `http://<host>/`, or `https://` with `tls`; `undefined` if workerd leaves the connection alone. */
async function get(container: ProcessContainer, host: string, tls = false): Promise<OutboundAnswer | undefined> {
  using connection = await OutboundConnection.open(on.engine, container, host, tls);
  return await connection?.get(host);
}

test("a class without rules: nothing is intercepted, and a cold start makes no call for it", async () => {
  const container = await started("OPEN/one");
  assert.equal(await get(container, "example.com"), undefined);
  // Once for the sidecar, once for the start, as for every container.
  assert.deepEqual(on.engine.egressPuts(container), 2);
});

test("handlers for hosts: only these are intercepted, and they get the bindings and who asks", async () => {
  const container = await started("HOSTS/one");
  const answer = JSON.parse((await get(container, "my.worker"))?.body ?? "") as Record<string, string>;
  assert.equal(answer.url, "http://my.worker/");
  assert.deepEqual([answer.className, answer.name], ["Hosts", "from env"]);
  assert.ok(container.name.endsWith(answer.containerId ?? "?"));
  assert.equal((await get(container, "a.glob.example"))?.body, "glob a.glob.example");
  assert.equal(await get(container, "example.com"), undefined);
  assert.equal(await get(container, "my.worker", true), undefined);
  const broken = await get(container, "broken.example");
  assert.deepEqual([broken?.status, broken?.body], [500, "The outbound handler failed."]);
  // Another host on a connection that was taken: decided by what it says, which the class leaves open.
  using connection = await OutboundConnection.open(on.engine, container, "my.worker");
  assert.equal((await connection?.get("example.com", "/x"))?.body, "the Internet: example.com/x");
});

test("lists and handlers in their order, for HTTPS too", async () => {
  const container = await started("FULL/one");
  const rows: Array<[host: string, body: string, step?: string]> = [
    ["denied.com", "Origin is disallowed", "deniedHosts"],
    ["denied.com.", "Origin is disallowed", "deniedHosts"],
    ["DENIED.com", "Origin is disallowed", "deniedHosts"],
    ["x.evil.example", "Origin is disallowed", "deniedHosts"],
    ["198.51.100.7", "Origin is disallowed", "deniedHosts"],
    ["[2001:db8::1]", "Origin is disallowed", "deniedHosts"],
    ["random.com", "Origin is disallowed", "allowedHosts"],
    ["unlisted.com", "Origin is disallowed", "allowedHosts"],
    ["by-host.com", "by host"],
    ["allowed.com", "catch-all http://allowed.com/"],
    ["93.184.216.7", "catch-all http://93.184.216.7/"],
    ["a.ok.example", "catch-all http://a.ok.example/"],
  ];
  for (const [host, body, step] of rows) {
    const answer = await get(container, host);
    assert.deepEqual([answer?.body, answer?.step], [body, step], host);
    assert.equal(answer?.status, step === undefined ? 200 : 520);
  }
  assert.equal((await get(container, "allowed.com", true))?.body, "catch-all https://allowed.com/");
  assert.equal((await get(container, "denied.com", true))?.status, 520);
});

test("rules change under an open connection, and stay over a restart of the Worker", async () => {
  const container = await started("LISTED/one");
  using connection = await OutboundConnection.open(on.engine, container, "allowed.com");
  assert.ok(connection);
  const ask = async (host: string) => (await connection.get(host)).body;
  assert.equal(await ask("allowed.com"), "the Internet: allowed.com/");
  assert.equal(await ask("other.com"), "Origin is disallowed");
  await on.call("LISTED/one", "allowHost", "other.com");
  assert.equal(await ask("other.com"), "the Internet: other.com/");
  await on.call("LISTED/one", "setOutboundByHost", "other.com", "named", { key: 1 });
  assert.equal(await ask("other.com"), 'named other.com {"key":1}');
  await on.call("LISTED/one", "setOutboundHandler", "named");
  assert.equal(await ask("allowed.com"), "named allowed.com undefined");
  await on.call("LISTED/one", "setOutboundByHosts", { "allowed.com": { method: "named", params: 2 } });
  assert.deepEqual([await ask("allowed.com"), await ask("other.com")], ["named allowed.com 2", "named other.com undefined"]);
  await on.call("LISTED/one", "denyHost", "other.com");
  assert.equal(await ask("other.com"), "Origin is disallowed");
  await on.call("LISTED/one", "removeDeniedHost", "other.com");
  await on.call("LISTED/one", "removeAllowedHost", "allowed.com");
  assert.deepEqual([await ask("allowed.com"), await ask("other.com")], ["Origin is disallowed", "named other.com undefined"]);

  await on.restartWorker();
  const again = await started("LISTED/one");
  assert.equal(again, container);
  assert.equal((await get(again, "other.com"))?.body, "named other.com undefined");
  assert.equal((await get(again, "allowed.com"))?.body, "Origin is disallowed");
  await on.call("LISTED/one", "destroy");
  assert.equal((await get(await started("LISTED/one"), "other.com"))?.body, "named other.com undefined");
  assert.equal((await get(await started("LISTED/two"), "other.com"))?.body, "Origin is disallowed");
});

test("a running container without rules gets its first ones; whether it may reach the internet is what it was started with", async () => {
  await on.call("OPEN/late", "start", { enableInternet: false });
  const container = await started("OPEN/late");
  await on.call("OPEN/late", "setDeniedHosts", ["denied.com"]);
  assert.equal((await get(container, "denied.com"))?.step, "deniedHosts");
  assert.equal((await get(container, "example.com"))?.step, "nothing allows it");
  await on.call("OPEN/late", "destroy");
  assert.equal((await get(await started("OPEN/late"), "example.com"))?.body, "the Internet: example.com/");
});

test("names that are not there and hosts that are none are refused, and change nothing", async () => {
  const container = await started("FULL/bad");
  for (const [method, ...args] of [
    ["setOutboundHandler", "nobody"],
    ["setOutboundHandler", "constructor"],
    ["setOutboundByHost", "allowed.com", "nobody"],
    ["setOutboundByHosts", { "allowed.com": "named", "by-host.com": "nobody" }],
    ["setAllowedHosts", ["ok.com", ""]],
    ["setAllowedHosts", "ok.com"],
    ["denyHost", 7],
  ] as Array<[string, ...unknown[]]>) {
    const { error } = await on.call("FULL/bad", method, ...args);
    assert.equal(error?.name, "TypeError", `${method}(${JSON.stringify(args)})`);
  }
  assert.equal((await get(container, "allowed.com"))?.body, "catch-all http://allowed.com/");
});

test("the former names of the handlers work", async () => {
  const container = await started("FORMER/one");
  assert.equal((await get(container, "example.com"))?.body, "former");
  await on.call("FORMER/one", "setOutboundByHost", "example.com", "named", "p");
  assert.equal((await get(container, "example.com"))?.body, 'named example.com "p"');
});

test("a Worker that does not export ContainerProxy starts no container that has rules, and says what is missing", async () => {
  await using without = await stage({ script: worker("no-proxy.js"), classes: { Guarded: "hello" } });
  const response = await without.fetch("/");
  assert.equal(response.status, 500);
  assert.equal(response.headers.get("x-container-error"), "START_FAILED");
  assert.match(await response.text(), /export \{ ContainerProxy \}/);
  assert.equal(without.engine.created, 0);
});
