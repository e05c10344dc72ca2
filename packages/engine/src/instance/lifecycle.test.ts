import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { docker, fetchThrough } from "../testing/docker-client.js";
import { type SnapshotStage, snapshotStage } from "../testing/snapshot-stage.js";
import type { Instance } from "./instance.js";
import { withTerms } from "./terms.js";

const SIGTERM = 15;
const PAGE = "/etc/passwd";
const shell = (script: string) => ({ entrypoint: ["sh", "-c", script] });

/** The only container of the stage that lives. */
function only({ open }: SnapshotStage): Instance {
  const [instance] = [...open.engine.containers.byId.values()].filter(({ live }) => live);
  assert.ok(instance !== undefined);
  return instance;
}

/** Starts the Worker's container, and waits until it runs: `ctx.container.start` does not. */
async function started(on: SnapshotStage, options: Record<string, unknown>): Promise<Instance> {
  await on.act("one", "start", options);
  await until(() => [...on.open.engine.containers.byId.values()].some(({ status }) => status === "starting" || status === "running"));
  return only(on);
}

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await check())) {
    assert.ok(Date.now() < deadline, "it did not happen in time");
    await pause(10);
  }
}

test("a program that ignores SIGTERM is killed after its grace, which a restart of the engine neither lengthens nor begins anew", async () => {
  await using on = await snapshotStage({ stopGraceMs: 2_000 });
  const { record } = await started(on, shell("trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done"));
  await until(async () => (await on.open.engine.logs(record.id, 5)).includes("ready"));
  const since = Date.now();
  await on.act("one", "signal", SIGTERM);
  await until(async () => (await on.open.engine.logs(record.id, 5)).includes("told"));
  await on.restartEngine();
  const { code, reason } = await only(on).exited;
  const took = Date.now() - since;
  assert.deepEqual({ code, reason }, { code: 137, reason: "signal" });
  assert.ok(took >= 1_900 && took < 60_000, `it took ${took} ms`);
  assert.deepEqual(await on.open.engine.logs(record.id, 5), ["ready", "told"]);
});

test("the hard timeout ends a container whatever it does, over restarts of the engine, and its program is not told", async () => {
  await using on = await snapshotStage();
  const env = { LONGSHORE_HARD_TIMEOUT_MS: "1500" };
  const { record } = await started(on, { ...shell("env; trap '' TERM; while :; do sleep 1; done"), env });
  await on.restartEngine();
  // It may have ended while the engine was away.
  const exit = await on.open.engine.containers.byId.get(record.id)?.exited;
  assert.deepEqual([exit?.code, exit?.reason], [137, "timeout"]);
  const lines = await on.open.engine.logs(record.id, 50);
  assert.ok(lines.some((line) => line.startsWith("PATH=")));
  assert.ok(!lines.some((line) => line.includes("HARD_TIMEOUT")));
  assert.throws(() => withTerms({ environment: ["LONGSHORE_HARD_TIMEOUT_MS=soon"] }), { code: "INVALID_INPUT" });
});

test("a Worker that lost sight of its container gets it back when it asks for the same, and a new one when it asks for another", async () => {
  await using on = await snapshotStage();
  const options = { env: { COLOUR: "blue" } };
  await on.act("one", "start", options);
  assert.match(String(await on.act("one", "get", PAGE)), /root/);
  const first = only(on).record;
  await on.restartEngine();
  await until(async () => (await on.act("one", "running")) === false);
  await on.act("one", "start", options);
  assert.match(String(await on.act("one", "get", PAGE)), /root/);
  assert.equal(only(on).record.id, first.id);
  assert.equal(only(on).record.process.pid, first.process.pid);
  assert.equal(await on.act("one", "running"), true);

  await on.restartEngine();
  await until(async () => (await on.act("one", "running")) === false);
  await on.act("one", "start", { env: { COLOUR: "red" } });
  assert.match(String(await on.act("one", "get", PAGE)), /root/);
  assert.notEqual(only(on).record.id, first.id);
});

test("an instance is reported stopped when whoever waits for its end has hung up: its Worker's next request finds it so", async () => {
  await using on = await snapshotStage();
  for (let round = 1; round <= 10; round++) {
    const instance = await started(on, shell("exec sleep 1000"));
    await until(() => instance.isWatched);
    const told: string[] = [];
    const watch = instance.watched();
    const stopped = on.open.engine.stopInstance(instance.record.id, "rollout", 10_000).then(() => told.push("reported"));
    await instance.exited;
    await new Promise(setImmediate);
    told.push("heard of");
    watch[Symbol.dispose]();
    await stopped;
    assert.deepEqual(told, ["heard of", "reported"]);
    assert.equal(await on.act("one", "running"), false, `round ${round}`);
  }
});

test("a container whose Worker was killed before it can have written anything down is ended when nobody asks for it; others stay", async () => {
  await using on = await snapshotStage({ strayMs: 200 });
  await on.act("old", "start", shell("sleep 1000"));
  await until(() => [...on.open.engine.containers.byId.values()].some(({ status }) => status === "starting"));
  const old = only(on);
  // Older than the time in which a Worker writes.
  await pause(3_100);
  await on.act("young", "start", shell("sleep 1000"));
  await until(() => on.open.engine.containers.byId.size === 2);
  const young = [...on.open.engine.containers.byId.values()].find((instance) => instance !== old);
  assert.ok(young !== undefined);
  await until(() => young.isWatched);
  await on.killWorker();
  assert.equal((await young.exited).reason, "policy");
  assert.equal(old.live, true);
});

test("running out of memory is told to whoever asks: the exit, docker inspect, the log, the next connection", async () => {
  await using on = await snapshotStage();
  const program = shell("echo working; exec dd if=/dev/zero of=/dev/null bs=400M count=1");
  await assert.rejects(on.act("one", "run", program), /exit code: 137/);
  const [instance] = [...on.open.engine.containers.byId.values()];
  assert.ok(instance !== undefined);
  const { id, name, exit } = instance.record;
  assert.equal(exit?.reason, "oom");
  assert.deepEqual(exit.lastLines, ["working"]);
  assert.equal(exit.memory?.limitBytes, 256 * 1024 * 1024);
  const { body } = await docker(on.open.engine.socketPath("web"), "GET", `/containers/${name}/json`);
  assert.equal((body.State as Record<string, unknown>).OOMKilled, true);
  const said = /out of memory: the limit is 256 MiB, the peak was 25\d(\.\d)? MiB, (1 process was|\d+ processes were) killed/;
  assert.match((await on.open.engine.logs(id, 5)).at(-1) ?? "", said);
  const door = on.open.engine.tenants.get("web")?.ingresses.get(name);
  assert.ok(door !== undefined);
  const refusal = JSON.parse((await fetchThrough(door.port, 8080)).body) as Record<string, unknown>;
  assert.deepEqual([refusal.code, refusal.reason], ["CONTAINER_EXITED", "oom"]);
  assert.match(String(refusal.message), said);
});

test("the CPU is unlimited until the first port answers; then the quota holds", async () => {
  await using on = await snapshotStage();
  const { cgroups } = on.open.engine.parts.host;
  const file = (controller: string, name: string) =>
    readFileSync(`/sys/fs/cgroup/${cgroups.version === 2 ? "" : controller}${cgroups.path(only(on).record.id)}/${name}`, "utf8");
  const quota = () => (cgroups.version === 2 ? file("", "cpu.max").split(" ")[0] : file("cpu", "cpu.cfs_quota_us").trim());
  const usedMs = () =>
    cgroups.version === 2
      ? Number(/^usage_usec (\d+)/m.exec(file("", "cpu.stat"))?.[1]) / 1e3
      : Number(file("cpuacct", "cpuacct.usage")) / 1e6;
  await started(on, shell("httpd -p 8080 -h /; while [ ! -e /tmp/go ]; do sleep 0.1; done; while :; do :; done"));
  assert.ok(["max", "-1"].includes(quota() ?? ""));
  assert.match(String(await on.act("one", "get", PAGE)), /root/);
  await until(() => quota() === "6250");
  await on.act("one", "exec", { command: ["touch", "/tmp/go"] });
  await pause(500);
  const [before, since] = [usedMs(), performance.now()];
  await pause(1_500);
  const share = (usedMs() - before) / (performance.now() - since);
  assert.ok(share > 0 && share < 0.1, `a sixteenth of a core was ${share.toFixed(3)}`);
});
