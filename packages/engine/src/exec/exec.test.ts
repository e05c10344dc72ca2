import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { docker } from "../testing/docker-client.js";
import { AttachedExec } from "../testing/exec-client.js";
import { fillBusybox } from "../testing/image-source.js";
import { type RunningEngine, runningEngine } from "../testing/running-engine.js";

const SLEEP = ["/bin/busybox", "sleep", "1000"];
let tokens = 0;

/** As workerd wraps a command, so that it can be killed. */
function wrapped(...command: string[]) {
  const token = `t-${++tokens}`;
  return { Cmd: ["/bin/sh", "-c", `echo $$ > /tmp/.workerd-exec-${token}.pid; exec "$@"`, "sh", ...command], token };
}

async function run(engine: RunningEngine, container: string, create: Record<string, unknown>, input?: Buffer) {
  const exec = await AttachedExec.start(engine.socket, container, create);
  exec.socket.end(input ?? "");
  return await exec.finish(engine.socket);
}

/** As workerd kills: another exec, detached, whose exit code it waits for. */
async function kill(engine: RunningEngine, container: string, token: string, signal: number): Promise<unknown> {
  const Cmd = [
    "/bin/sh",
    "-c",
    `[ -s /tmp/.workerd-exec-${token}.pid ] || exit 3; kill -${signal} "$(cat /tmp/.workerd-exec-${token}.pid)"`,
  ];
  const { body } = await docker(engine.socket, "POST", `/containers/${container}/exec`, { Cmd });
  const started = await docker(engine.socket, "POST", `/exec/${body.Id}/start`, { Detach: true });
  assert.equal(started.status, 200);
  return (await docker(engine.socket, "GET", `/exec/${body.Id}/json`)).body.ExitCode;
}

test("output, exit code, environment, directory, user and rights are those that were asked for", async () => {
  await using engine = await runningEngine({ config: { Env: ["PATH=/bin", "FROM_IMAGE=yes"], WorkingDir: "/www" } });
  const name = await engine.start(1, SLEEP, ["FROM_START=1"]);
  const script = 'pwd; id -u; id -g; echo "$FROM_IMAGE $FROM_START $MINE $HOME"; echo oops >/dev/stderr; exit 7';
  const plain = await run(engine, name, { Cmd: ["sh", "-c", script], Env: ["MINE=a b"] });
  assert.deepEqual([plain.stdout.toString(), plain.stderr.toString()], ["/www\n0\n0\nyes 1 a b /root\n", "oops\n"]);
  assert.deepEqual([plain.exitCode, plain.running, plain.pid === 0], [7, false, false]);
  const other = await run(engine, name, { Cmd: ["sh", "-c", script], User: "1234:55", WorkingDir: "/tmp" });
  assert.equal(other.stdout.toString(), "/tmp\n1234\n55\nyes 1  /\n");
  await assert.rejects(run(engine, name, { Cmd: ["sh"], User: "nobody-here" }), /HTTP\/1.1 400 .*nobody-here/s);

  const rights = "grep -hE '^(CapBnd|CapPrm|CapEff|NoNewPrivs|Seccomp):' /proc/1/status /proc/self/status";
  const lines = (await run(engine, name, { Cmd: ["sh", "-c", rights] })).stdout.toString().trim().split("\n");
  assert.equal(lines.length, 10);
  assert.deepEqual(lines.slice(5), lines.slice(0, 5));
  assert.deepEqual(
    readdirSync(join(engine.directory, "data/sandboxes")).filter((entry) => entry.startsWith("x")),
    [],
  );
});

test("an exec counts against the container's limits, and ends with it", async () => {
  await using engine = await runningEngine();
  const name = await engine.start(1, SLEEP);
  const hog = await run(engine, name, { Cmd: ["dd", "if=/dev/zero", "of=/dev/null", "bs=400M", "count=1"] });
  assert.equal(hog.exitCode, 137);
  // Where the kernel can, it ends the container as a whole for it.
  if (engine.open.engine.parts.host.cgroups.endsTogether) {
    await docker(engine.socket, "POST", `/containers/${name}/wait`);
    await engine.start(1, SLEEP);
  }
  const exec = await AttachedExec.start(engine.socket, name, { Cmd: ["sleep", "1000"] });
  await docker(engine.socket, "POST", `/containers/${name}/kill?signal=SIGKILL`);
  assert.equal((await exec.finish(engine.socket)).exitCode, 137);
  await docker(engine.socket, "POST", `/containers/${name}/wait`);
  const late = await docker(engine.socket, "POST", `/containers/${name}/exec`, { Cmd: ["sleep"] });
  assert.equal(late.status, 409);
});

test("many lines and large binary input and output arrive whole", async () => {
  await using engine = await runningEngine();
  const name = await engine.start(1, SLEEP);
  const lines = await run(engine, name, { Cmd: ["sh", "-c", "seq 1 50000; seq 1 50000 >&2"] });
  const expected = Array.from({ length: 50_000 }, (_, index) => `${index + 1}\n`).join("");
  assert.equal(lines.stdout.toString(), expected);
  assert.equal(lines.stderr.toString(), expected);

  const input = randomBytes(24 * 1024 * 1024);
  const copied = await run(engine, name, { Cmd: ["cat"] }, input);
  assert.equal(createHash("sha1").update(copied.stdout).digest("hex"), createHash("sha1").update(input).digest("hex"));

  // A process that does not read its input is not waited for, and one whose children stay is not either.
  assert.equal((await run(engine, name, { Cmd: ["sh", "-c", "exec <&-; exit 3"] }, input)).exitCode, 3);
  const parent = await run(engine, name, { Cmd: ["sh", "-c", "sleep 1000 & echo started"] });
  assert.deepEqual([parent.stdout.toString(), parent.exitCode], ["started\n", 0]);
  // Without a request for input there is none.
  assert.equal((await run(engine, name, { Cmd: ["cat"], AttachStdin: false })).exitCode, 0);
});

test("a terminal: raw, with a size that can change, controlling its process", async () => {
  await using engine = await runningEngine();
  const name = await engine.start(1, SLEEP);
  const script =
    "stty size; tty; echo $TERM; read line; stty size; echo $line; trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.05; done";
  const create = { Cmd: ["sh", "-c", script], Tty: true };
  const exec = await AttachedExec.start(engine.socket, name, create, { ConsoleSize: [31, 101] });
  await exec.until("xterm");
  assert.match(exec.received.toString(), /31 101\r\n\/dev\/pts\/\d\r\nxterm/);
  assert.equal((await docker(engine.socket, "POST", `/exec/${exec.id}/resize?h=40&w=99`)).status, 200);
  assert.equal((await docker(engine.socket, "POST", `/exec/${exec.id}/resize?h=0&w=99`)).status, 400);
  exec.socket.write("typed\n");
  await exec.until("ready\r\n");
  assert.match(exec.received.toString(), /40 99\r\ntyped\r\n/);
  exec.socket.write("\x03");
  assert.equal((await exec.finish(engine.socket)).exitCode, 5);
  assert.match(exec.received.toString(), /\^C.*interrupted\r\n/s);
});

test("more typed than a terminal holds", async () => {
  await using engine = await runningEngine();
  const name = await engine.start(1, SLEEP);
  const script = "stty raw -echo; echo ready; exec head -c 300000";
  const exec = await AttachedExec.start(engine.socket, name, { Cmd: ["sh", "-c", script], Tty: true });
  await exec.until("ready\n");
  const before = exec.received.length;
  exec.socket.write("x".repeat(300_000));
  assert.equal((await exec.finish(engine.socket)).exitCode, 0);
  assert.equal(exec.received.length - before, 300_000);
});

test("what workerd starts can be killed, and leaves nothing in the container", async () => {
  await using engine = await runningEngine();
  const name = await engine.start(1, SLEEP);
  const { Cmd, token } = wrapped("sh", "-c", "trap 'echo got it; exit 4' USR1; echo up; while :; do sleep 0.01; done");
  const exec = await AttachedExec.start(engine.socket, name, { Cmd });
  await exec.until("up");
  assert.equal((await docker(engine.socket, "GET", `/exec/${exec.id}/json`)).body.Running, true);
  assert.equal(await kill(engine, name, token, 10), 0);
  const finished = await exec.finish(engine.socket);
  assert.deepEqual([finished.stdout.toString(), finished.exitCode], ["up\ngot it\n", 4]);
  assert.equal(await kill(engine, name, token, 9), 0);

  const stubborn = wrapped("sleep", "1000");
  const killed = await AttachedExec.start(engine.socket, name, { Cmd: stubborn.Cmd });
  assert.equal(await kill(engine, name, stubborn.token, 9), 0);
  assert.equal((await killed.finish(engine.socket)).exitCode, 137);
  assert.equal((await run(engine, name, { Cmd: ["ls", "-A", "/tmp"] })).stdout.toString(), "");
  // With a token that nobody was given it is a command like any other.
  const unknown = await run(engine, name, { Cmd: ["/bin/sh", "-c", 'kill -9 "$(cat /tmp/.workerd-exec-unknown.pid)"'] });
  assert.match(unknown.stderr.toString(), /No such file/);
});

test("an image with neither a shell nor /tmp runs commands, and says what it does not have", async () => {
  const fill = (directory: string) => {
    mkdirSync(join(directory, "app"));
    copyFileSync("/bin/busybox", join(directory, "app/cat"));
    chmodSync(join(directory, "app/cat"), 0o755);
    writeFileSync(join(directory, "app/text"), "not a program\n");
    writeFileSync(join(directory, "app/script"), "echo from a script: $1\n", { mode: 0o755 });
  };
  await using engine = await runningEngine({ fill, config: { Env: ["PATH=/app"] } });
  const name = await engine.start(1, ["/app/cat", "/dev/zero"]);
  const cat = await run(engine, name, { Cmd: wrapped("cat", "/app/text").Cmd });
  assert.deepEqual([cat.stdout.toString(), cat.exitCode], ["not a program\n", 0]);
  const shell = await run(engine, name, { Cmd: ["/bin/sh", "-c", "echo $((6 * 7))"] });
  assert.deepEqual([shell.stdout.toString(), shell.exitCode], ["42\n", 0]);
  const script = await run(engine, name, { Cmd: ["script", "yes"] });
  assert.deepEqual([script.stdout.toString(), script.exitCode], ["from a script: yes\n", 0]);
  const missing = await run(engine, name, { Cmd: wrapped("nothing-here").Cmd });
  assert.deepEqual([missing.stderr.toString(), missing.exitCode], ["nothing-here: not found\n", 127]);
  const text = await run(engine, name, { Cmd: ["/app/text"] });
  assert.deepEqual([text.stderr.toString(), text.exitCode], ["/app/text: not an executable file\n", 126]);
  const lost = await run(engine, name, { Cmd: ["cat"], WorkingDir: "/no/such" });
  assert.match(lost.stderr.toString(), /directory \/no\/such does not exist/);
});

test("bad requests are answered as such", async () => {
  await using engine = await runningEngine({ fill: fillBusybox });
  const name = await engine.start(1, SLEEP);
  const status = async (method: string, path: string, body?: unknown) => (await docker(engine.socket, method, path, body)).status;
  assert.equal(await status("POST", `/containers/${name}/exec`, { Cmd: [] }), 400);
  assert.equal(await status("POST", `/containers/${name}/exec`, { Cmd: "ls" }), 400);
  assert.equal(await status("POST", "/containers/nobody/exec", { Cmd: ["ls"] }), 404);
  assert.equal(await status("GET", "/exec/abc123/json"), 404);
  const { body } = await docker(engine.socket, "POST", `/containers/${name}/exec`, { Cmd: ["ls"] });
  assert.equal(await status("POST", `/exec/${body.Id}/start`, { Detach: true }), 200);
  assert.equal(await status("POST", `/exec/${body.Id}/start`, { Detach: true }), 409);
});
