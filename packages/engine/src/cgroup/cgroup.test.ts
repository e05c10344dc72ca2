import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { instanceSize, LongshoreError } from "@longshore/contract";
import { createSandbox, removeSandbox } from "../sandbox/sandbox.js";
import { fixture } from "../testing/fixture.js";
import { removeTree } from "./files.js";
import { openCgroups } from "./open.js";
import { CgroupVersion2 } from "./version-2.js";

const MOUNT = "/sys/fs/cgroup";
const version2 = { skip: existsSync(join(MOUNT, "cgroup.controllers")) ? false : "This host has cgroup version 1." };
/** The kernel counts a process's time in these. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU time that a process has had. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function oneIn(pids: readonly number[], without: number): number {
  const [pid] = pids.filter((each) => each !== without);
  assert.ok(pid !== undefined);
  return pid;
}

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await check())) {
    assert.ok(Date.now() < deadline, "it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("CPU time is limited, and a frozen container gets none until it is killed", { timeout: 120_000 }, async () => {
  await using f = await fixture();
  const { cgroups } = f.host;
  const id = randomUUID();
  const sandbox = await createSandbox(f.host, id, f.image, instanceSize("lite"));
  try {
    cgroups.setCpuQuota(id, 0.1);
    sandbox.launch({ argv: ["sh", "-c", "while :; do :; done"], environment: { PATH: "/bin" } });
    await until(async () => (await cgroups.processes(id)).length === 2);
    const program = oneIn(await cgroups.processes(id), sandbox.process.pid);
    const [begin, had] = [performance.now(), cpuSeconds(program)];
    await until(() => performance.now() - begin > 1_000);
    const used = cpuSeconds(program) - had;
    const allowed = 0.1 * ((performance.now() - begin) / 1_000) + 0.1;
    assert.ok(used <= allowed, `${used} s used, ${allowed} s allowed`);

    assert.deepEqual([cgroups.isFrozen(id), cgroups.isStill(id)], [false, false]);
    cgroups.setFrozen(id, true);
    assert.equal(cgroups.isFrozen(id), true);
    await until(() => cgroups.isStill(id));
    const still = cpuSeconds(program);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(cpuSeconds(program), still);
    await cgroups.kill(id);
    await until(async () => (await cgroups.processes(id)).length === 0);
  } finally {
    await removeSandbox(f.host, id, sandbox.process);
  }
});

test("memory is limited without swap, and counted", { timeout: 60_000 }, async () => {
  await using f = await fixture();
  const id = randomUUID();
  const sandbox = await createSandbox(f.host, id, f.image, instanceSize("lite"));
  try {
    const { cgroups } = f.host;
    assert.ok(cgroups.memoryBytes(id) > 0);
    assert.equal(cgroups.memoryShortage(id), undefined);
    assert.deepEqual(await cgroups.ids(), [id]);
    const limit = cgroups.version === 2 ? ["memory.max", "memory.swap.max"] : ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
    const directory = join(MOUNT, cgroups.version === 2 ? "" : "memory", cgroups.path(id));
    const [memory, swap] = limit.map((name) =>
      existsSync(join(directory, name)) ? readFileSync(join(directory, name), "utf8").trim() : "",
    );
    assert.equal(memory, String(256 * 1024 * 1024));
    if (cgroups.limitsSwap) assert.equal(swap, cgroups.version === 2 ? "0" : memory);
  } finally {
    await removeSandbox(f.host, id, sandbox.process);
  }
});

test("every call is fine with a container that is gone", async () => {
  const cgroups = openCgroups(`longshore-test-${randomUUID().slice(0, 8)}`);
  try {
    cgroups.setCpuQuota("gone", 1);
    cgroups.setFrozen("gone", true);
    await cgroups.kill("gone");
    await cgroups.reclaimMemory("gone");
    await cgroups.remove("gone");
    assert.deepEqual([cgroups.isFrozen("gone"), cgroups.isStill("gone"), cgroups.memoryBytes("gone")], [false, false, 0]);
    assert.equal(cgroups.memoryShortage("gone"), undefined);
    assert.deepEqual([await cgroups.processes("gone"), await cgroups.ids()], [[], []]);
  } finally {
    await cgroups.removeParent();
  }
});

test("in a container's part of the tree, the processes there make room for cgroups with controllers", version2, async () => {
  const outer = `longshore-test-${randomUUID().slice(0, 8)}`;
  new CgroupVersion2(outer);
  const root = join(MOUNT, outer, "container");
  mkdirSync(root);
  const child = spawn("sleep", ["1000"]);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  try {
    writeFileSync(join(root, "cgroup.procs"), String(child.pid));
    new CgroupVersion2("inner", root);
    // Once more, as at each start of the engine.
    const cgroups = new CgroupVersion2("inner", root);
    assert.match(readFileSync(join(root, "inner/cgroup.subtree_control"), "utf8"), /cpu.*memory.*pids/);
    assert.equal(readFileSync(join(root, "init/cgroup.procs"), "utf8"), `${child.pid}\n`);
    assert.equal(readFileSync(join(root, "cgroup.procs"), "utf8"), "");
    assert.deepEqual(await cgroups.ids(), []);
  } finally {
    child.kill("SIGKILL");
    await ended;
    await removeTree(join(MOUNT, outer));
  }
});

test("a tree without the controllers is refused with the reason", version2, async () => {
  const outer = `longshore-test-${randomUUID().slice(0, 8)}`;
  const root = join(MOUNT, outer, "without");
  mkdirSync(root, { recursive: true });
  try {
    assert.throws(
      () => new CgroupVersion2("inner", root),
      (error) => error instanceof LongshoreError && error.code === "UNAVAILABLE" && /cpu and memory and pids/.test(error.message),
    );
  } finally {
    await removeTree(join(MOUNT, outer));
  }
});
