import assert from "node:assert/strict";
import { test } from "node:test";
import { snapshotStage } from "../testing/snapshot-stage.js";

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly pid: number;
}

test("everything that a Worker can ask of ctx.container.exec", async () => {
  await using stage = await snapshotStage();
  const exec = async (command: string[], rest: Record<string, unknown> = {}) =>
    (await stage.act("one", "exec", { command, ...rest })) as Outcome;
  await stage.act("one", "start", { enableInternet: false, env: { BASE: "base", OWN: "container" } });

  const plain = await exec(["sh", "-c", "echo out; echo err >&2; exit 9"]);
  assert.deepEqual({ ...plain, pid: plain.pid > 0 }, { stdout: "out\n", stderr: "err\n", exitCode: 9, pid: true });
  const shown = await exec(["sh", "-c", 'pwd; echo "$BASE $OWN"; id -u'], { options: { cwd: "/tmp", env: { OWN: "exec" }, user: "1000" } });
  assert.equal(shown.stdout, "/tmp\nbase exec\n1000\n");
  assert.equal((await exec(["cat"], { input: { text: "x".repeat(1000), times: 3000 } })).stdout.length, 3_000_000);
  assert.equal((await exec(["sh", "-c", "seq 1 20000"])).stdout, Array.from({ length: 20_000 }, (_, n) => `${n + 1}\n`).join(""));
  assert.equal(
    (await exec(["sh", "-c", "echo a; echo b >&2"], { options: { stderr: "combined" } })).stdout.split("\n").sort().join(""),
    "ab",
  );
  assert.equal((await exec(["sh", "-c", "echo unheard"], { options: { stdout: "ignore" } })).stdout, "");

  const missing = await exec(["no-such-program"]);
  assert.deepEqual([missing.stderr, missing.exitCode], ["no-such-program: not found\n", 127]);
  assert.equal((await exec(["sleep", "1000"], { kill: 9 })).exitCode, 137);
  assert.equal((await exec(["sleep", "1000"], { kill: 15 })).exitCode, 143);
  assert.equal((await exec(["sleep", "1000"], { abortAfterMs: 100 })).exitCode, 137);

  const terminal = await exec(
    ["sh", "-c", `read line; for n in $(seq 500); do [ "$(stty size)" = "50 90" ] && break; sleep 0.01; done; stty size; exit 4`],
    {
      // The size is changed at once. workerd sends it on a connection of its own, so that the line may arrive before.
      options: { pty: { cols: 101, rows: 31 } },
      input: { text: "go\n", times: 1 },
      size: [90, 50],
    },
  );
  assert.match(terminal.stdout, /50 90\r\n/);
  assert.equal(terminal.exitCode, 4);

  const many = await Promise.all(Array.from({ length: 20 }, (_, n) => exec(["echo", String(n)])));
  assert.deepEqual(
    many.map(({ stdout }) => stdout),
    Array.from({ length: 20 }, (_, n) => `${n}\n`),
  );
});
