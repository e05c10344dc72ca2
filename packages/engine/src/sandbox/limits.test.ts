import assert from "node:assert/strict";
import { test } from "node:test";
import { instanceSize } from "@longshore/contract";
import { fixture } from "../testing/fixture.js";
import { runScript } from "../testing/run-script.js";

test("a fork bomb ends at the limit of processes, and the container can be removed", async () => {
  await using f = await fixture();
  const bomb = "i=0; while [ $i -lt 5000 ]; do sleep 1000 & i=$((i+1)); done; echo unlimited";
  const { code, lines } = await runScript(f, bomb, instanceSize("basic"));
  assert.notEqual(code, 0);
  assert.ok(lines.some((line) => /can't fork/.test(line)));
  assert.ok(!lines.includes("unlimited"));
});

const MIB = 1024 * 1024;
const allocate = (mib: number) => `dd if=/dev/zero of=/dev/null bs=${mib}M count=1`;

test("a memory hog is ended at its limit, and the kernel's account of it is kept", async () => {
  await using f = await fixture();
  assert.deepEqual(await runScript(f, allocate(200)).then(({ code, memory }) => ({ code, memory })), { code: 0, memory: undefined });
  const { code, memory } = await runScript(f, `exec ${allocate(400)}`);
  assert.equal(code, 137);
  assert.equal(memory?.limitBytes, 256 * MIB);
  assert.ok(memory.peakBytes > 250 * MIB && memory.peakBytes <= 257 * MIB, `${memory.peakBytes} bytes at the peak`);
  // Where the kernel ends the container as a whole, it counts each of its processes.
  assert.ok(f.host.cgroups.endsTogether ? memory.kills >= 1 : memory.kills === 1);
});

test("what is in /dev/shm counts as the container's memory", async () => {
  await using f = await fixture();
  const { code, memory } = await runScript(f, `dd if=/dev/zero of=/dev/shm/file bs=1M count=60 && exec ${allocate(200)}`);
  assert.equal(code, 137);
  assert.ok(memory !== undefined);
});

test("a hog that is not the program itself is told of too", async () => {
  await using f = await fixture();
  const { code, lines, memory } = await runScript(f, `${allocate(400)}; echo "its child ended with $?"`);
  assert.ok(memory !== undefined);
  // Where the kernel can, it ends the container as a whole.
  if (f.host.cgroups.endsTogether) assert.equal(code, 137);
  else assert.ok(lines.includes("its child ended with 137"));
});

test("a process gets no more open files than it may have, and goes on", async () => {
  await using f = await fixture();
  const { code, lines } = await runScript(f, "ulimit -Hn; tail -n 1 $(for n in $(seq 1100); do echo /etc/passwd; done); echo on");
  assert.equal(code, 0);
  assert.equal(lines[0], "1024");
  assert.ok(lines.some((line) => /Too many open files/.test(line)));
  assert.equal(lines.at(-1), "on");
});

test("orphans are reaped, however many", async () => {
  await using f = await fixture();
  const orphans = "i=0; while [ $i -lt 4500 ]; do (sleep 0 &) ; i=$((i+1)); done; sleep 0.5";
  const count = 'z=0; for p in /proc/[0-9]*/stat; do read -r _ _ state _ <$p && [ "$state" = Z ] && z=$((z+1)); done; echo "$z zombies"';
  const { code, lines } = await runScript(f, `${orphans}; ${count} 2>/dev/null`, instanceSize("basic"));
  assert.equal(code, 0);
  assert.equal(lines.at(-1), "0 zombies");
});

test("/dev/shm and /dev have sizes of their own", async () => {
  await using f = await fixture();
  const { lines } = await runScript(f, "dd if=/dev/zero of=/dev/shm/file bs=1M count=100; dd if=/dev/zero of=/dev/file bs=1M count=100");
  assert.equal(lines.filter((line) => /No space left on device/.test(line)).length, 2);
});
