import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { docker } from "../../testing/docker-client.js";
import { type RunningEngine, runningEngine } from "../../testing/running-engine.js";

const absent = spawnSync("docker", ["--version"]).status === 0 ? false : "no docker command on this machine";

/** Runs the real docker command on the engine's socket. */
async function run(engine: RunningEngine, ...args: string[]) {
  const child = spawn("docker", args, {
    env: { PATH: process.env.PATH, HOME: engine.directory, DOCKER_HOST: `unix://${engine.open.directories.dockerSocket}` },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 20_000,
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close") as Promise<[number]>]);
  return { code, stdout, stderr };
}

test("the docker command looks at containers and into them", { skip: absent }, async () => {
  await using engine = await runningEngine();
  await engine.start(1, ["sh", "-c", "echo hello; trap 'exit 4' TERM; while :; do sleep 0.05; done"], ["SECRET_NOT=1"]);
  const [info] = await engine.open.engine.instances();
  const id = info?.id ?? "";
  const name = `web-${id.slice(0, 8)}`;

  assert.equal(statSync(engine.open.directories.dockerSocket).mode & 0o777, 0o600);
  assert.match((await run(engine, "version", "--format", "{{.Server.Version}}")).stdout, /longshore/);
  assert.match((await run(engine, "info")).stdout, /Running: 1\n/);
  assert.equal((await run(engine, "ps", "--format", "{{.Names}} {{.Image}} {{.State}}")).stdout, `${name} acc/web:1 running\n`);
  assert.equal((await run(engine, "ps", "-q", "--filter", "ancestor=acc/other")).stdout, "");
  assert.equal((await run(engine, "ps", "-q", "--filter", "label=dev.longshore.application=web")).stdout, `${id.slice(0, 12)}\n`);
  assert.match((await run(engine, "ps", "--filter", "no=1")).stderr, /no filter "no"/);
  assert.match((await run(engine, "images")).stdout, /acc\/web +1 /);
  assert.equal((await run(engine, "image", "inspect", "acc/web:1", "--format", "{{.Architecture}}")).stdout, "amd64\n");
  assert.equal((await run(engine, "inspect", name, "--format", "{{.State.Running}} {{.Config.Cmd}}")).stdout.slice(0, 10), "true [sh -");

  assert.equal((await run(engine, "logs", "--tail", "1", name)).stdout, "hello\n");
  const executed = await run(engine, "exec", "-e", "A=b", name, "sh", "-c", "echo $A; echo bad >&2; exit 6");
  assert.deepEqual(executed, { code: 6, stdout: "b\n", stderr: "bad\n" });
  assert.equal((await run(engine, "exec", id.slice(0, 6), "nothing")).code, 127);

  const following = run(engine, "logs", "-f", name);
  const waiting = run(engine, "wait", name);
  assert.notEqual((await run(engine, "rm", name)).code, 0);
  assert.equal((await run(engine, "stop", name)).stdout, `${name}\n`);
  assert.equal((await waiting).stdout, "4\n");
  assert.equal((await following).stdout, "hello\n");
  assert.equal((await run(engine, "ps", "-q")).stdout, "");
  assert.match((await run(engine, "ps", "-a", "--format", "{{.Status}}")).stdout, /^Exited \(4\)/);
  assert.equal((await run(engine, "rm", name)).code, 0);
  assert.match((await run(engine, "inspect", name)).stderr, /No such/i);
  assert.match((await run(engine, "run", "acc/web:1")).stderr, /started by their applications/);
});

test("a terminal through the docker command", { skip: absent }, async () => {
  await using engine = await runningEngine();
  await engine.start(1, ["sleep", "1000"]);
  const [info] = await engine.open.engine.instances();
  const command = `docker exec -it ${info?.id} sh -c 'tty; exit 5'`;
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    env: { PATH: process.env.PATH, HOME: engine.directory, DOCKER_HOST: `unix://${engine.open.directories.dockerSocket}` },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 20_000,
  });
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  // Where script shows the end of its own input varies.
  assert.match(stdout, /\/dev\/pts\/\d\r\n/);
  assert.equal(code, 5);
  assert.equal((await docker(engine.socket, "GET", "/info")).status, 404);
});
