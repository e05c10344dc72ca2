import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { docker } from "../../testing/docker-client.js";
import { type RunningEngine, runningEngine } from "../../testing/running-engine.js";
import { tarOf } from "../../testing/tar-bytes.js";

const absent = spawnSync("docker", ["--version"]).status === 0 ? false : "no docker command on this machine";

/** Runs the real docker command on the engine's socket. */
async function run(engine: RunningEngine, ...args: string[]) {
  const child = spawn("docker", args, {
    env: { PATH: process.env.PATH, HOME: engine.directory, DOCKER_HOST: `unix://${engine.open.directories.dockerSocket}` },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
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
});

test("a terminal through the docker command", { skip: absent }, async () => {
  await using engine = await runningEngine();
  await engine.start(1, ["sleep", "1000"]);
  const [info] = await engine.open.engine.instances();
  const command = `docker exec -it ${info?.id} sh -c 'tty; exit 5'`;
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    env: { PATH: process.env.PATH, HOME: engine.directory, DOCKER_HOST: `unix://${engine.open.directories.dockerSocket}` },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 120_000,
  });
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  // Where script shows the end of its own input varies.
  assert.match(stdout, /\/dev\/pts\/\d\r\n/);
  assert.equal(code, 5);
  assert.equal((await docker(engine.socket, "GET", "/info")).status, 404);
});

/** What `docker save` writes for an image of one empty layer. */
function archive(name: string): Buffer {
  const layer = tarOf({ name: "file", body: name });
  const diffId = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    created: "2026-01-02T03:04:05Z",
    config: { Cmd: ["/file"] },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created: "2026-01-02T03:04:05Z", created_by: "COPY file /" }],
  });
  const manifest = JSON.stringify([{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] }]);
  return tarOf({ name: "layer.tar", body: layer }, { name: "config.json", body: config }, { name: "manifest.json", body: manifest });
}

test("the docker command brings images here and takes them away, and is told of containers", { skip: absent }, async () => {
  await using engine = await runningEngine();
  writeFileSync(join(engine.directory, "image.tar"), archive("loaded:1"));
  assert.match((await run(engine, "load", "-i", join(engine.directory, "image.tar"))).stdout, /Loaded image: loaded:1/);
  assert.match((await run(engine, "history", "loaded:1")).stdout, /COPY file \//);
  assert.match((await run(engine, "run", "--rm", "loaded:1")).stderr, /"\/file" is not an executable file/);
  assert.match((await run(engine, "pull", "acc/web:1")).stdout, /Pull complete[\s\S]*Downloaded newer image for acc\/web:1/);
  assert.match((await run(engine, "pull", "acc/web:1")).stdout, /up to date/);
  assert.match((await run(engine, "rmi", "loaded:1")).stdout, /Untagged: loaded:1\nDeleted: sha256:/);
  const context = mkdtempSync(join(engine.directory, "context-"));
  writeFileSync(join(context, "Dockerfile"), "FROM acc/web:1\n");
  assert.match((await run(engine, "build", context)).stderr, /builds no images/);

  const events = spawn("docker", ["events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"], {
    env: { PATH: process.env.PATH, HOME: engine.directory, DOCKER_HOST: `unix://${engine.open.directories.dockerSocket}` },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 120_000,
  });
  const ended = once(events, "close");
  let told = "";
  events.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    told += chunk;
    if (told.includes("destroy")) events.kill();
  });
  const deadline = Date.now() + 60_000;
  while (engine.open.engine.containers.forgotten.size === 0) {
    assert.ok(Date.now() < deadline, "the events are not asked for");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal((await run(engine, "run", "--rm", "--name", "short", "acc/web:1", "echo")).code, 0);
  await ended;
  assert.equal(told, "create short\ndie short\ndestroy short\n");
});
