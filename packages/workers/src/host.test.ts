import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { WorkerBinding } from "@longshore/contract";
import { COUNTER_ID, envCode, fetchSocket, fetchText, hexId, noHold, type TestHost, testHost, untilChange } from "./fixtures.js";
import { workerdsWithArgument } from "./process/proc.js";

const recordOf = ({ directory }: TestHost, script: string): { pid: number; releaseId: string } =>
  JSON.parse(readFileSync(join(directory, "run", script, "process.json"), "utf8"));

/** Resolves once another workerd than `pid` serves the script. */
async function untilReplaced(host: TestHost, script: string, pid: number): Promise<void> {
  await untilChange(host.host, () => existsSync(join(host.directory, "run", script, "process.json")) && recordOf(host, script).pid !== pid);
}

test("a Worker serves, is replaced, and its objects keep their data over both a deploy and a kill", async () => {
  const held: string[] = [];
  await using it = await testHost({
    beforeStop: async (script) => {
      held.push(`hold ${script}`);
      return { [Symbol.asyncDispose]: async () => void held.push(`release ${script}`) };
    },
  });
  await it.host.apply(it.modules.counter("app", "one"));
  assert.deepEqual(held, [], "nothing ran, so nothing was held");
  assert.equal(await fetchText(it.host, "app"), "one");
  assert.equal(await fetchText(it.host, "app", "/count"), "1");

  await it.host.apply(it.modules.counter("app", "two"));
  assert.deepEqual(held, ["hold app", "release app"]);
  assert.equal(await fetchText(it.host, "app"), "two");
  assert.equal(await fetchText(it.host, "app", "/count"), "2");

  const { pid, releaseId } = recordOf(it, "app");
  await it.host.apply(it.modules.counter("app", "two"));
  assert.equal(recordOf(it, "app").pid, pid, "the same version is left alone");
  assert.deepEqual(await readdir(join(it.directory, "run/app/releases")), [releaseId], "older releases are gone");

  process.kill(pid, "SIGKILL");
  await untilReplaced(it, "app", pid);
  assert.equal(await fetchText(it.host, "app", "/count"), "3");
  assert.match(it.messages.join("\n"), /workerd was ended by SIGKILL.*started again at once/);

  await it.host.remove("app", { deleteData: false });
  assert.equal(it.host.upstream("app"), undefined);
  assert.ok(existsSync(join(it.directory, "data/app/objects", COUNTER_ID)));
  await it.host.remove("app", { deleteData: true });
  assert.ok(!existsSync(join(it.directory, "data/app")));
});

test("requests sent while no process is there wait for the next one", async () => {
  await using it = await testHost();
  await it.host.apply(it.modules.counter("app", "one"));
  const { pid } = recordOf(it, "app");
  const socketPath = join(it.directory, "run/app/http.sock");
  let answer: Promise<string> | undefined;
  using _listening = it.host.onChange(() => {
    answer ??= fetchSocket(socketPath, "/count");
  });
  process.kill(pid, "SIGKILL");
  await untilReplaced(it, "app", pid);
  assert.equal(await answer, "1");
});

test("check refuses broken code in workerd's words and touches nothing that runs", async () => {
  await using it = await testHost();
  await it.host.apply(it.modules.counter("app", "one"));
  const { pid } = recordOf(it, "app");

  const good = it.modules.counter("app", "two");
  assert.ok((await it.host.check(good)).startupMs > 0);
  const withContainer = {
    ...good,
    version: { ...good.version, containers: [{ className: "Counter" }] },
    engineSocket: "/nonexistent/engine.sock",
  };
  await it.host.check(withContainer);

  const bad = (code: string, version = {}) => ({ ...good, version: { ...it.modules.target("app", code).version, ...version } });
  await assert.rejects(it.host.check(bad("export default {")), { code: "INVALID_INPUT", message: /SyntaxError: Unexpected end of input/ });
  await assert.rejects(it.host.check(bad("throw new Error('boom');")), { code: "INVALID_INPUT", message: /Error: boom/ });
  await assert.rejects(it.host.check(bad("import './nope.js';")), { code: "INVALID_INPUT", message: /nope\.js/ });
  await assert.rejects(it.host.check(bad(envCode, { compatibilityFlags: ["no_such_flag"] })), {
    code: "INVALID_INPUT",
    message: /no_such_flag/,
  });
  await assert.rejects(it.host.check(bad("export class Countr {}\nexport default { fetch() {} };")), {
    code: "INVALID_INPUT",
    message: /does not export the Durable Object class Counter\. Its main module index\.js exports Countr, default/,
  });

  assert.equal(recordOf(it, "app").pid, pid);
  assert.equal(await fetchText(it.host, "app"), "one");
  assert.deepEqual((await readdir(join(it.directory, "run"))).sort(), [".services", "app"], "no temporary directory is left");
});

test("a version that does not start leaves the old one running", async () => {
  await using it = await testHost();
  const broken = it.modules.target("app", "throw new Error('not today');");
  await assert.rejects(it.host.apply(broken), { code: "INVALID_INPUT", message: /not today/ });
  assert.match(JSON.stringify(it.host.upstream("app")), /unavailable.*not today/);

  await it.host.apply(it.modules.counter("app", "one"));
  assert.equal(await fetchText(it.host, "app", "/count"), "1");
  await assert.rejects(it.host.apply(broken), { code: "INVALID_INPUT", message: /version [0-9a-f]{32}.*not today/s });
  assert.equal(await fetchText(it.host, "app"), "one");
  assert.equal(await fetchText(it.host, "app", "/count"), "2");
  assert.equal((await readdir(join(it.directory, "run/app/releases"))).length, 1);
});

test("a workerd that ends again and again is reported unavailable, and comes back", async () => {
  await using it = await testHost();
  await it.host.apply(it.modules.target("app", "console.error('last words'); export default { fetch: () => new Response('here') };"));
  let failures = 0;
  // Kills each new process as soon as it is on record, until requests are told so.
  using _killing = it.host.onChange((script) => {
    if (!("socketPath" in (it.host.upstream(script) ?? {})) || failures >= 3) return;
    const { pid } = recordOf(it, script);
    try {
      process.kill(pid, "SIGKILL");
      failures++;
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ESRCH");
    }
  });
  process.kill(recordOf(it, "app").pid, "SIGKILL");
  await untilChange(it.host, () => "unavailable" in (it.host.upstream("app") ?? {}));
  assert.match(JSON.stringify(it.host.upstream("app")), /The Worker .*app.* stopped: its workerd was ended by SIGKILL.*last words/);
  await untilChange(it.host, () => "socketPath" in (it.host.upstream("app") ?? {}));
  assert.equal(await fetchText(it.host, "app"), "here");
});

test("a workerd that cannot be put on record serves all the same, and is the only one", async () => {
  await using it = await testHost();
  await it.host.apply(it.modules.counter("app", "one"));
  assert.equal(await fetchText(it.host, "app", "/count"), "1");
  const { pid } = recordOf(it, "app");
  // As where the file system of the records is full.
  mkdirSync(join(it.directory, "run/app/process.json.new"));
  process.kill(pid, "SIGKILL");
  await untilChange(it.host, () => it.messages.some((message) => message.includes("could not be put on record")));
  assert.equal(await fetchText(it.host, "app", "/count"), "2");
  assert.equal(workerdsWithArgument(join(it.directory, "run/")).length, 1);
});

test("an open WebSocket does not keep a deploy waiting longer than the grace", async () => {
  await using it = await testHost({ stopGraceMs: 200 });
  const code = `export default { fetch() { const [client, server] = Object.values(new WebSocketPair()); server.accept(); return new Response(null, { status: 101, webSocket: client }); } };`;
  await it.host.apply(it.modules.target("app", code));
  const socket = connect(join(it.directory, "run/app/http.sock"));
  socket.write(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  const [head] = await once(socket, "data");
  assert.match(String(head), /^HTTP\/1\.1 101/);
  const closed = once(socket, "close");
  await it.host.apply(it.modules.counter("app", "two"));
  await closed;
  assert.equal(await fetchText(it.host, "app"), "two");
});

test("any text reaches env byte for byte, under any binding name and module name", async () => {
  await using it = await testHost();
  const odd = [
    "",
    '"',
    "\\",
    "\n\r\t",
    "a\0b",
    "$(x) $",
    "'; )]",
    "é",
    "🚢",
    "\u2028\u2029",
    "\ufeff",
    "#{",
    "constructor",
    "-".repeat(5000),
  ];
  const random = Array.from({ length: 200 }, () =>
    String.fromCodePoint(...[...randomBytes(40)].map((byte) => (byte < 128 ? byte : 0x10000 + byte * 97))),
  );
  const texts = [...odd, ...random];
  const bindings: WorkerBinding[] = texts.map((text, index) => ({
    type: index % 2 === 0 ? "plain_text" : "secret_text",
    name: `T${index}`,
    text,
  }));
  bindings.push({ type: "json", name: "JSON", json: texts }, { type: "version_metadata", name: "META" });
  const names = odd.map((name) => `odd ${name}`).filter((name, index, all) => all.indexOf(name) === index);
  bindings.push(...names.map((name): WorkerBinding => ({ type: "plain_text", name, text: name })));
  const target = it.modules.target("app", envCode, { bindings, annotations: { "workers/tag": "t" } });
  await it.host.apply(target);
  const env = JSON.parse(await fetchText(it.host, "app"));
  for (const [index, text] of texts.entries()) assert.equal(env[`T${index}`], text);
  for (const name of names) assert.equal(env[name], name);
  assert.deepEqual(env.JSON, texts);
  assert.deepEqual(env.META, { id: target.version.id, tag: "t", timestamp: target.version.createdOn });

  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const main = 'dir ü/ma"in.js';
  const code = `import text from './é "q" \\'.txt'; import data from '../b.bin'; import json from './j.json'; import empty from './empty.txt';
    export default { fetch: () => Response.json([text, [...new Uint8Array(data)], json, empty]) };`;
  const modules = [
    it.modules.add("b.bin", "data", bytes),
    it.modules.add(main, "esModule", code),
    it.modules.add('dir ü/é "q" \'.txt', "text", "wörld\r\n"),
    it.modules.add("dir ü/j.json", "json", '{"a":[1]}'),
    it.modules.add("dir ü/empty.txt", "text", ""),
  ];
  const weird = it.modules.target("app", envCode, { mainModule: main, modules });
  await it.host.check(weird);
  await it.host.apply(weird);
  assert.deepEqual(JSON.parse(await fetchText(it.host, "app")), ["wörld\r\n", [...bytes], { a: [1] }, ""]);
});

test("configurations and sockets are for their owner only, limits are raised, and Workers cannot reach this machine", async () => {
  await using it = await testHost();
  const code = `export default { async fetch() { try { await fetch("http://127.0.0.1:9/"); return new Response("reached"); } catch (e) { return new Response("refused: " + e.message); } } };`;
  await it.host.apply(it.modules.target("app", code));
  const { pid, releaseId } = recordOf(it, "app");
  assert.equal(statSync(join(it.directory, "run/app/releases", releaseId)).mode & 0o777, 0o700);
  assert.equal(statSync(join(it.directory, "run/app/http.sock")).mode & 0o777, 0o600);
  const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8")) ?? [];
  assert.equal(soft, hard);
  assert.match(await fetchText(it.host, "app"), /^refused/);
});

test("workerd runs as another user when told so", { skip: process.getuid?.() !== 0 }, async () => {
  const { chmod, copyFile, mkdtemp, rm } = await import("node:fs/promises");
  const { findWorkerd } = await import("./workerd-binary.js");
  const place = await mkdtemp("/tmp/lw-bin-");
  try {
    await chmod(place, 0o755);
    await copyFile(findWorkerd(), join(place, "workerd"));
    await using it = await testHost({ uid: 65534, gid: 65534, workerdPath: join(place, "workerd") });
    await chmod(it.directory, 0o711);
    const target = it.modules.counter("app", "one");
    await it.host.check(target);
    await it.host.apply(target);
    assert.equal(await fetchText(it.host, "app", "/count"), "1");
    assert.match(readFileSync(`/proc/${recordOf(it, "app").pid}/status`, "utf8"), /^Uid:\s+65534\s+65534\s+65534\s+65534$/m);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
});

test("the log is rotated at its size, and workerd goes on writing to it", async () => {
  await using it = await testHost({ maxLogBytes: 20_000 });
  const code = `let n = 0; export default { fetch() { for (let i = 0; i < 100; i++) console.log("line " + n++ + " " + "x".repeat(100)); return new Response(String(n)); } };`;
  await it.host.apply(it.modules.target("app", code));
  const path = it.host.logPath("app");
  const rotated = (async () => {
    const { watch } = await import("node:fs/promises");
    for await (const event of watch(join(it.directory, "data/app"))) if (event.filename === "workerd.log.1") return;
  })();
  for (let i = 0; i < 3; i++) await fetchText(it.host, "app");
  await rotated;
  assert.match(readFileSync(`${path}.1`, "utf8"), /line 0 /);
  await fetchText(it.host, "app");
  assert.ok(statSync(path).size < 40_000);
});

test("a path too long for a unix socket, and a program that is not workerd, are told", async () => {
  await using it = await testHost();
  const { createWorkerHost } = await import("./host.js");
  const options = { dataDirectory: join(it.directory, "d"), readModule: it.modules.read, beforeStop: noHold, log: () => undefined };
  const tooLong = { code: "INVALID_INPUT", message: /too long for a unix socket/ };
  await assert.rejects(createWorkerHost({ ...options, runDirectory: join(it.directory, "r".repeat(100)) }), tooLong);
  const room = 107 - "/.services/secrets.sock".length - `${it.directory}/`.length;
  const long = await createWorkerHost({ ...options, runDirectory: join(it.directory, "r".repeat(room)) });
  await assert.rejects(long.apply({ ...it.modules.target("app", envCode), script: "a".repeat(60) }), tooLong);
  await long.close();
  const other = createWorkerHost({ ...options, runDirectory: join(it.directory, "r"), workerdPath: "/bin/true" });
  await assert.rejects(other, { code: "INTERNAL", message: /not workerd's version/ });
  await assert.rejects(it.host.apply({ ...it.modules.target("app", envCode), script: hexId("x").repeat(3) }), { code: "INVALID_INPUT" });
});
