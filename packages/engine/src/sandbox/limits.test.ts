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

test("/dev/shm and /dev have sizes of their own", async () => {
  await using f = await fixture();
  const { lines } = await runScript(f, "dd if=/dev/zero of=/dev/shm/file bs=1M count=100; dd if=/dev/zero of=/dev/file bs=1M count=100");
  assert.equal(lines.filter((line) => /No space left on device/.test(line)).length, 2);
});
