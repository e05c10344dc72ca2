import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { whileFrozen } from "./freeze.js";

const FREEZE = new URL("./freeze.js", import.meta.url).href;

function target(): ChildProcess {
  return spawn("/bin/sh", ["-c", "while :; do :; done"], { stdio: "ignore" });
}

function state({ pid }: ChildProcess): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0];
}

async function untilRunning(child: ChildProcess): Promise<void> {
  for (let tries = 0; state(child) !== "R" && state(child) !== "S"; tries++) {
    assert.ok(tries < 1_000, `it is in state ${state(child)}`);
    await setTimeout(10);
  }
}

test("writers stand still while the work is done, and go on, also when it fails", async () => {
  const [server, workerd] = [target(), target()];
  try {
    const writers = { server: [server.pid ?? 0], workerds: () => [workerd.pid ?? 0] };
    const { facts } = await whileFrozen(writers, async () => [state(server), state(workerd)]);
    assert.deepEqual(facts, ["T", "T"]);
    await untilRunning(server);
    await assert.rejects(
      whileFrozen(writers, async () => {
        throw new Error("no room");
      }),
      /no room/,
    );
    await untilRunning(workerd);
  } finally {
    for (const each of [server, workerd]) each.kill("SIGKILL");
  }
});

test("writers go on when whoever froze them is killed", async () => {
  const server = target();
  try {
    const code = `import { whileFrozen } from ${JSON.stringify(FREEZE)};
      setInterval(() => {}, 1_000_000);
      await whileFrozen({ server: [${server.pid}], workerds: () => [] }, () => { process.send("frozen"); return new Promise(() => {}); });`;
    const backup = spawn(process.execPath, ["--input-type=module", "--eval", code], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    await once(backup, "message");
    assert.equal(state(server), "T");
    backup.kill("SIGKILL");
    await untilRunning(server);
  } finally {
    server.kill("SIGKILL");
  }
});
