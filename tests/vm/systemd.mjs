// In the virtual machine, below systemd: containers' limits and processes survive what systemd does to its own part of the cgroup tree.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCgroups } from "../../packages/engine/dist/cgroup/open.js";

const cgroups = openCgroups("longshore-systemd");
const directory = join("/sys/fs/cgroup", cgroups.path("one"));
mkdirSync(directory);
writeFileSync(join(directory, "memory.max"), "67108864");
writeFileSync(join(directory, "pids.max"), "100");
cgroups.setCpuQuota("one", 0.25);
const child = spawn("sleep", ["1000"]);
writeFileSync(join(directory, "cgroup.procs"), String(child.pid));

check("at first");
// A unit with a weight makes systemd switch the CPU controller on for all its neighbours, and its end makes it switch it off.
writeFileSync(
  "/run/systemd/system/heavy.service",
  "[Service]\nType=oneshot\nSlice=heavy.slice\nCPUWeight=50\nMemoryMax=100M\nTasksMax=50\nExecStart=/bin/true\n",
);
systemd("daemon-reload");
systemd("start", "heavy.service");
check("after a unit with limits");
systemd("stop", "heavy.slice");
check("after the end of its slice");
systemd("daemon-reload");
check("after daemon-reload");
systemd("daemon-reexec");
systemd("is-system-running", "--wait");
check("after daemon-reexec");
// The unit that this runs in goes on with its children when it is changed.
systemd("set-property", "--runtime", "vm.service", "CPUWeight=200", "MemoryMax=3G");
check("after a change of the engine's own unit");

const ended = new Promise((resolve) => child.once("exit", resolve));
await cgroups.kill("one");
await ended;
await cgroups.removeParent();
console.log("systemd leaves containers' cgroups alone");

function check(when) {
  assert.deepEqual(
    ["cpu.max", "memory.max", "pids.max", "cgroup.procs"].map(read),
    ["25000 100000", "67108864", "100", String(child.pid)],
    when,
  );
}

function read(name) {
  return readFileSync(join(directory, name), "utf8").trim();
}

function systemd(...args) {
  const { status, stderr } = spawnSync("systemctl", args, { encoding: "utf8", timeout: 60_000 });
  // The state of this machine is none of the test's business: it has failed units, or no network.
  if (status !== 0 && args[0] !== "is-system-running") throw new Error(`systemctl ${args.join(" ")}: ${stderr}`);
}
