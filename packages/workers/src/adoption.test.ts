import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fetchSocket, fetchText, hostOptions, Modules, temporaryDirectory, untilChange } from "./fixtures.js";
import { createWorkerHost } from "./host.js";
import type { RunningWorkerHost } from "./host-options.js";
import { isAlive, processFacts } from "./process/proc.js";

const modules = new Modules();
const messages: string[] = [];

const hostOn = (directory: string): Promise<RunningWorkerHost> =>
  createWorkerHost(hostOptions(directory, modules, (message) => messages.push(message)));

/** A server in a process of its own that applies the counter Worker `one` for each script, then does `after`. */
async function serverProcess(directory: string, scripts: readonly string[], after = ""): Promise<ChildProcess> {
  const here = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const code = `
    import { createWorkerHost } from ${here("./host.js")};
    import { hostOptions, Modules } from ${here("./fixtures.js")};
    const modules = new Modules();
    const host = await createWorkerHost(hostOptions(${JSON.stringify(directory)}, modules));
    for (const script of ${JSON.stringify(scripts)}) await host.apply(modules.counter(script, "one"));
    console.log("ready");
    ${after}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

const pidOf = (directory: string, script: string): number =>
  JSON.parse(readFileSync(join(directory, "run", script, "process.json"), "utf8")).pid;

test("after a server was killed, the next one takes over its workerds as they are", async () => {
  await using temporary = await temporaryDirectory();
  const directory = temporary.path;
  const server = await serverProcess(directory, ["app", "gone", "unwanted"], "setInterval(() => {}, 1000);");
  const pids = { app: pidOf(directory, "app"), gone: pidOf(directory, "gone"), unwanted: pidOf(directory, "unwanted") };
  const socketPath = join(directory, "run/app/http.sock");
  assert.equal(await fetchSocket(socketPath, "/count"), "1");
  server.kill("SIGKILL");
  await once(server, "exit");
  assert.equal(await fetchSocket(socketPath, "/count"), "2", "it serves while there is no server");
  process.kill(pids.gone, "SIGKILL");
  const goneStart = processFacts(pids.gone)?.startTime ?? 0;
  while (isAlive(pids.gone, goneStart)) await new Promise((resolve) => setImmediate(resolve));

  const host = await hostOn(directory);
  try {
    assert.equal(host.upstream("gone"), undefined);
    assert.equal(await fetchText(host, "app", "/count"), "3");
    await host.apply(modules.counter("app", "one"));
    assert.equal(pidOf(directory, "app"), pids.app, "the same version is not restarted");

    await host.retain(["app", "gone"]);
    assert.equal(host.upstream("unwanted"), undefined);
    const unwanted = processFacts(pids.unwanted);
    assert.ok(unwanted === undefined || unwanted.zombie);

    await host.apply(modules.counter("app", "two"));
    assert.notEqual(pidOf(directory, "app"), pids.app);
    assert.equal(await fetchText(host, "app"), "two");
    assert.equal(await fetchText(host, "app", "/count"), "4");
  } finally {
    await host.close();
  }
});

test("the exit of an adopted workerd is seen as it happens, and it is started again", async () => {
  await using temporary = await temporaryDirectory();
  const directory = temporary.path;
  const server = await serverProcess(directory, ["app"], "setInterval(() => {}, 1000);");
  server.kill("SIGKILL");
  await once(server, "exit");
  const host = await hostOn(directory);
  try {
    const pid = pidOf(directory, "app");
    process.kill(pid, "SIGKILL");
    await untilChange(host, () => pidOf(directory, "app") !== pid);
    assert.equal(await fetchText(host, "app", "/count"), "1");
    assert.match(messages.join("\n"), /its workerd ended\./);
  } finally {
    await host.close();
  }
});

test("detach leaves the workerds to the next host, and the old program ends by itself", async () => {
  await using temporary = await temporaryDirectory();
  const directory = temporary.path;
  const server = await serverProcess(directory, ["app"], "await host.detach();");
  const [code] = server.exitCode === null ? await once(server, "exit") : [server.exitCode];
  assert.equal(code, 0);
  const pid = pidOf(directory, "app");
  const host = await hostOn(directory);
  assert.equal(pidOf(directory, "app"), pid);
  assert.equal(await fetchText(host, "app"), "one");
  const { startTime } = processFacts(pid) ?? { startTime: 0 };
  await host.close();
  assert.ok(!isAlive(pid, startTime));
});

test("a workerd that is on no record is ended, and a record of another process is not believed", async () => {
  await using temporary = await temporaryDirectory();
  const directory = temporary.path;
  const server = await serverProcess(directory, ["app"], "setInterval(() => {}, 1000);");
  server.kill("SIGKILL");
  await once(server, "exit");
  const pid = pidOf(directory, "app");
  const facts = processFacts(pid);
  assert.ok(facts !== undefined);
  // This very process: alive, but no workerd.
  const record = JSON.parse(readFileSync(join(directory, "run/app/process.json"), "utf8"));
  const own = { ...record, pid: process.pid, startTime: processFacts(process.pid)?.startTime };
  writeFileSync(join(directory, "run/app/process.json"), JSON.stringify(own));
  // Somebody who looks at it is no workerd either.
  const reader = spawn("tail", ["-f", join(directory, "run/app/process.json")], { stdio: "ignore" });
  await once(reader, "spawn");
  const host = await hostOn(directory);
  try {
    assert.deepEqual([reader.exitCode, reader.signalCode, reader.kill("SIGKILL")], [null, null, true]);
    await once(reader, "exit");
    assert.equal(host.upstream("app"), undefined);
    while (isAlive(pid, facts.startTime)) await new Promise((resolve) => setImmediate(resolve));
    await host.apply(modules.counter("app", "one"));
    assert.equal(await fetchText(host, "app", "/count"), "1");
  } finally {
    await host.close();
  }
});
