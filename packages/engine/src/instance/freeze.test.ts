import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { docker, fetchThrough } from "../testing/docker-client.js";
import { type SnapshotStage, snapshotStage } from "../testing/snapshot-stage.js";
import type { Instance } from "./instance.js";

const SIGSTOP = 19;
const PAGE = "/etc/passwd";

/** The only container of the stage. */
function only({ open }: SnapshotStage): Instance {
  const [instance] = [...open.engine.containers.byId.values()].filter(({ live }) => live);
  assert.ok(instance !== undefined);
  return instance;
}

function frozen(on: SnapshotStage): boolean {
  return on.open.engine.parts.host.cgroups.isFrozen(only(on).record.id);
}

/** The container's door, as workerd knows it. */
function doorOf(on: SnapshotStage): number {
  const door = on.open.engine.tenants.get("web")?.ingresses.get(only(on).record.name);
  assert.ok(door !== undefined);
  return door.port;
}

async function started(on: SnapshotStage, options: Record<string, unknown> = {}): Promise<Instance> {
  await on.act("one", "start", options);
  assert.match(String(await on.act("one", "get", PAGE)), /root/);
  return only(on);
}

async function until(check: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!check()) {
    assert.ok(Date.now() < deadline, "it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a Durable Object freezes its container by signal; a request wakes it, and it is the same process", async () => {
  await using on = await snapshotStage();
  const instance = await started(on);
  const { pid } = instance.record.process;
  // At once after a request nothing is frozen: the wish may be older than the request.
  await on.act("one", "signal", SIGSTOP);
  assert.equal(frozen(on), false);
  await until(() => instance.quietMs > 600);
  await on.act("one", "signal", SIGSTOP);
  await until(() => instance.status === "frozen");
  assert.equal(frozen(on), true);
  await until(() => on.open.engine.parts.host.cgroups.isStill(instance.record.id));
  assert.equal(await on.act("one", "running"), true);
  const { body } = await docker(on.open.engine.socketPath("web"), "GET", `/containers/${instance.record.name}/json`);
  assert.deepEqual([(body.State as Record<string, unknown>).Status, (body.State as Record<string, unknown>).Paused], ["running", true]);
  assert.equal((await on.open.engine.instances())[0]?.status, "frozen");

  assert.match(String(await on.act("one", "get", PAGE)), /root/);
  assert.equal(instance.status, "running");
  assert.equal(only(on).record.process.pid, pid);
});

test("what comes in on a connection that is open wakes a frozen container", async () => {
  await using on = await snapshotStage();
  const { record } = await started(on);
  const socket = connect(doorOf(on), "127.0.0.1");
  socket.write("CONNECT 127.0.0.1:8080 HTTP/1.1\r\nHost: container\r\n\r\n");
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    received += text;
  });
  await until(() => received.includes("200"));
  await on.open.engine.freezeInstance(record.id, true);
  assert.equal(frozen(on), true);
  socket.write(`GET ${PAGE} HTTP/1.0\r\n\r\n`);
  await until(() => received.includes("root"));
  assert.equal(frozen(on), false);
  socket.destroy();
});

test("a frozen container is killed in its sleep, and stops when it is asked to", async () => {
  await using on = await snapshotStage();
  const instance = await started(on);
  await on.open.engine.freezeInstance(instance.record.id, false);
  await on.open.engine.stopInstance(instance.record.id, "policy", 5_000);
  assert.equal(instance.record.exit?.reason, "policy");
  await on.open.engine.settled();
  assert.equal(on.open.engine.parts.host.cgroups.isFrozen(instance.record.id), false);

  const again = await started(on);
  await on.open.engine.freezeInstance(again.record.id, false);
  await on.act("one", "destroy");
  assert.equal((await again.exited).code, 137);
  await assert.rejects(on.open.engine.freezeInstance(again.record.id, false), (error) => error instanceof LongshoreError);
});

test("a frozen container stays so over a restart of the engine, and what the kernel says is true", async () => {
  await using on = await snapshotStage();
  const { record } = await started(on);
  const socket = () => on.open.engine.socketPath("web");
  assert.equal((await docker(socket(), "POST", `/containers/${record.name}/pause`)).status, 204);
  await on.restartEngine();
  assert.equal(only(on).status, "frozen");
  assert.equal((await fetchThrough(doorOf(on), 8080, PAGE)).status, 200);
  assert.equal(only(on).status, "running");

  // As if the engine was killed between the kernel and the record, either way round.
  on.open.engine.parts.host.cgroups.setFrozen(record.id, true);
  await on.restartEngine();
  assert.equal(only(on).status, "frozen");
  on.open.engine.parts.host.cgroups.setFrozen(record.id, false);
  await on.restartEngine();
  assert.equal(only(on).status, "running");
  assert.equal((await docker(socket(), "POST", `/containers/${record.name}/pause`)).status, 204);
  assert.equal((await docker(socket(), "POST", `/containers/${record.name}/unpause`)).status, 204);
  assert.equal(frozen(on), false);
});

test("an exec wakes a frozen container", async () => {
  await using on = await snapshotStage();
  const { record } = await started(on);
  await on.open.engine.freezeInstance(record.id, false);
  const socket = on.open.engine.socketPath("web");
  const { body } = await docker(socket, "POST", `/containers/${record.name}/exec`, { Cmd: ["true"] });
  assert.equal((await docker(socket, "POST", `/exec/${body.Id}/start`, { Detach: true })).status, 200);
  assert.equal(frozen(on), false);
});

test("a frozen container that nobody owns is swept", async () => {
  await using on = await snapshotStage();
  const { record } = await started(on);
  await on.open.engine.freezeInstance(record.id, false);
  await on.open.engine.parts.records.remove(record.id);
  await on.restartEngine();
  await on.open.engine.settled();
  assert.ok(!(await on.open.engine.parts.host.cgroups.ids()).includes(record.id));
  assert.ok(!readdirSync(join(on.directory, "data/sandboxes")).includes(record.id));
});

test("memory is taken back from a frozen container, and it works on", async () => {
  await using on = await snapshotStage();
  // A clean page of a file can be taken back on every kernel; the rest of a container's memory only where there is swap.
  const script = "dd if=/dev/zero of=/pages bs=1M count=4; sync; exec httpd -f -p 8080 -h /";
  const { record } = await started(on, { entrypoint: ["sh", "-c", script] });
  const { cgroups } = on.open.engine.parts.host;
  const before = cgroups.memoryBytes(record.id);
  await on.open.engine.freezeInstance(record.id, true);
  assert.ok(cgroups.memoryBytes(record.id) < before, `${before} before, ${cgroups.memoryBytes(record.id)} after`);
  assert.match(String(await on.act("one", "get", PAGE)), /root/);
});
