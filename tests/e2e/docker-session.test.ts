import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after } from "node:test";
import { baseEnvironment, type Finished, type Platform, platformSuite, run } from "@longshore/testkit";
import { Terminal } from "./terminal.js";

const DEADLINE_MS = 60_000;
const directory = mkdtempSync(join(tmpdir(), "longshore-docker-"));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The docker command as the machine's owner points it at the engine. */
class Docker {
  readonly env: NodeJS.ProcessEnv;

  private constructor(socket: string) {
    this.env = { ...baseEnvironment(), HOME: directory, DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: "0", TERM: "dumb" };
  }

  static async of(platform: Platform): Promise<Docker> {
    const { stdout } = await platform.succeed(["status", "--json"]);
    return new Docker((JSON.parse(stdout) as { dockerSocket: string }).dockerSocket);
  }

  async try(...args: string[]): Promise<Finished> {
    return await run("docker", args, { env: this.env, deadlineMs: DEADLINE_MS });
  }

  /** Its standard output, without the last newline. Throws when it fails. */
  async do(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(...args);
    assert.equal(code, 0, `docker ${args.join(" ")}: ${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** With something on its standard input. */
  async fed(input: Buffer | string, ...args: string[]): Promise<string> {
    const child = spawn("docker", args, { env: this.env, stdio: ["pipe", "pipe", "pipe"], timeout: DEADLINE_MS });
    child.stdin.end(input);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    assert.equal(code, 0, `docker ${args.join(" ")}: ${stdout}${stderr}`);
    return stdout.trimEnd();
  }
}

const { test } = platformSuite();
const context = join(directory, "context");
mkdirSync(join(context, "www"), { recursive: true });
writeFileSync(join(context, "www", "index.html"), "served by a container\n");
writeFileSync(
  join(context, "Dockerfile"),
  [
    "FROM busybox",
    "ARG GREETING=none",
    'RUN echo "$GREETING" >/greeting',
    "COPY www /www",
    "EXPOSE 80",
    'CMD ["sh", "-c", "echo started; exec httpd -f -h /www"]',
  ].join("\n"),
);

test("version, info, build, images", async (platform) => {
  const docker = await Docker.of(platform);
  assert.match(await docker.do("version", "--format", "{{.Server.Version}}"), /longshore/);
  assert.match(await docker.do("info"), /Operating System: Longshore/);
  const built = await docker.do("build", "-t", "site:1", "-t", "site:latest", "--build-arg", "GREETING=hello", context);
  assert.match(built, /COPY www \/www[\s\S]*Successfully built [0-9a-f]{12}\nSuccessfully tagged site:1/);
  assert.match(await docker.do("images"), /^site +1 +[0-9a-f]{12}/m);
  assert.equal(
    await docker.do("image", "inspect", "site:1", "--format", "{{json .Config.ExposedPorts}} {{.Architecture}}"),
    '{"80/tcp":{}} amd64',
  );
  assert.match(await docker.do("history", "site:1", "--format", "{{.CreatedBy}}"), /EXPOSE 80/);
  writeFileSync(join(context, "Broken"), "FROM busybox\nRUN exit 3\n");
  const { code, stdout, stderr } = await docker.try("build", "-f", join(context, "Broken"), context);
  assert.notEqual(code, 0);
  assert.match(stdout + stderr, /failed at step 2\/2: RUN exit 3/);
});

test("run -d, ps, port, logs -f, stats, top, cp, inspect, stop, rm", async (platform) => {
  const docker = await Docker.of(platform);
  const id = await docker.do(
    "run",
    "-d",
    "--name",
    "web",
    "-p",
    "127.0.0.1:0:80",
    "--memory",
    "64m",
    "--cpus",
    "0.5",
    "-e",
    "A=b",
    "site:1",
  );
  assert.match(id, /^[0-9a-f-]{36}$/);
  const address = (await docker.do("port", "web", "80/tcp")).split("\n")[0] ?? "";
  assert.match(address, /^127\.0\.0\.1:\d+$/);
  assert.equal(await (await fetch(`http://${address}/`)).text(), "served by a container\n");
  assert.equal(await docker.do("ps", "--format", "{{.Names}} {{.Image}} {{.State}} {{.Ports}}"), `web site:1 running ${address}->80/tcp`);
  const stats = await docker.do("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.PIDs}} {{.NetIO}}", "web");
  assert.match(stats, /^web \d[\d.]*[KM]iB \/ 64MiB [1-9]\d* \S+ \/ \S+$/);
  assert.match(await docker.do("top", "web"), /httpd -f -h \/www/);
  assert.equal(
    await docker
      .do("inspect", "web", "--format", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.Config.Env}}")
      .then((out) => out.slice(0, 18)),
    "67108864 500000000",
  );

  writeFileSync(join(directory, "new.html"), "copied in\n", { mode: 0o644 });
  await docker.do("cp", join(directory, "new.html"), "web:/www/new.html");
  assert.equal(await (await fetch(`http://${address}/new.html`)).text(), "copied in\n");
  await docker.do("exec", "web", "sh", "-c", "mkdir -p /out/deep; echo from inside >/out/deep/file; ln -s deep/file /out/link");
  await docker.do("cp", "web:/out", join(directory, "out"));
  assert.equal(readFileSync(join(directory, "out/link"), "utf8"), "from inside\n");
  await docker.do("cp", "web:/out/.", join(directory, "out2"));
  await docker.do("cp", "-L", "web:/out/link", join(directory, "followed"));
  assert.equal(readFileSync(join(directory, "followed"), "utf8"), "from inside\n");
  assert.notEqual((await docker.try("cp", "web:/none", directory)).code, 0);

  const following = docker.do("logs", "-f", "web");
  assert.equal(await docker.do("stop", "-t", "2", "web"), "web");
  assert.equal(await following, "started");
  assert.equal(await docker.do("ps", "-q"), "");
  assert.match(await docker.do("ps", "-a", "--format", "{{.Names}} {{.Status}}"), /^web Exited/);
  await docker.do("rmi", "site:latest");
  assert.match((await docker.try("rmi", "site:1")).stderr, /used by the container web/);
  await docker.do("start", "web");
  assert.equal(await (await fetch(`http://${await docker.do("port", "web", "80/tcp")}/`)).text(), "served by a container\n");
  assert.notEqual((await docker.try("rm", "web")).code, 0);
  assert.equal(await docker.do("rm", "-f", "web"), "web");
  assert.equal(await docker.do("ps", "-aq"), "");
});

test("run and exec in the foreground: exit codes, input, both outputs, and terminals", async (platform) => {
  const docker = await Docker.of(platform);
  const ended = await docker.try("run", "--rm", "site:1", "sh", "-c", "cat /greeting; echo bad >&2; exit 7");
  assert.deepEqual(ended, { code: 7, stdout: "hello\n", stderr: "bad\n" });
  const large = Buffer.alloc(3_000_000, "0123456789abcde\n");
  assert.equal(await docker.fed(large, "run", "--rm", "-i", "site:1", "wc", "-c"), String(large.length));
  assert.equal(await docker.fed("", "run", "--rm", "site:1", "sh", "-c", "yes 0123456789abcde | head -n 100000 | cat | wc -c"), "1600000");
  // Far more than the log keeps.
  assert.equal((await docker.do("run", "--rm", "site:1", "seq", "1", "4000000")).length, 30_888_895);
  await using terminal = new Terminal(["docker", "run", "--rm", "-it", "--name", "shell", "site:1", "sh"], {
    cwd: directory,
    env: docker.env,
  });
  await terminal.shows(/\/ # /);
  terminal.press("stty size; tty; echo is-$((6*7))\r");
  await terminal.shows(/\/dev\/pts\/0[\s\S]*is-42/);
  await using second = new Terminal(["docker", "exec", "-it", "shell", "sh", "-c", "tty; read x; echo got-$x; exit 5"], {
    cwd: directory,
    env: docker.env,
  });
  await second.shows(/\/dev\/pts\/\d/);
  second.press("typed\r");
  await second.shows(/got-typed/);
  assert.equal(await second.ended(), 5);
  // Before the command runs the shell would take the key for itself.
  terminal.press("sh -c 'echo sleeping-$((6*7)); sleep 1000'\r");
  await terminal.shows(/sleeping-42/);
  terminal.press("\x03");
  await terminal.shows(/sleeping-42\s+\^C[\s\S]*\/ # $/);
  terminal.press("exit 3\r");
  assert.equal(await terminal.ended(), 3);
  assert.equal(await docker.do("ps", "-aq"), "");
});

test("tag, rmi, pull; what containers here do not have is refused by name", async (platform) => {
  const docker = await Docker.of(platform);
  await docker.do("tag", "site:1", "other/name:2");
  assert.match(await docker.do("images", "other/name"), /other\/name +2/);
  const kept = await docker.do("inspect", "other/name:2", "--format", "{{.Id}}");
  assert.match(await docker.do("rmi", "site:1"), /Untagged: site:1/);
  assert.equal(await docker.do("run", "--rm", "other/name:2", "cat", "/greeting"), "hello");
  assert.match(await docker.do("rmi", "other/name:2"), new RegExp(`Untagged: other/name:2\nDeleted: ${kept}`));
  for (const [option, value] of [
    ["-v", "/etc:/host"],
    ["--privileged", undefined],
    ["--network", "host"],
    ["--cap-add", "SYS_ADMIN"],
  ] as const) {
    const { code, stderr } = await docker.try("run", "--rm", option, ...(value === undefined ? [] : [value]), "busybox", "true");
    assert.equal(code, 125);
    assert.match(stderr, /Containers here have no/);
  }
  assert.match((await docker.try("pull", "127.0.0.1:9/no/such")).stderr, /cannot be asked/);
});

test("an own container outlives its engine, with its published port", async (platform) => {
  const docker = await Docker.of(platform);
  await docker.do("build", "-q", "-t", "site:1", context);
  await docker.do("run", "-d", "--rm", "--name", "steady", "-p", "127.0.0.1:0:80", "site:1");
  const address = await docker.do("port", "steady", "80/tcp");
  await platform.kill("engine");
  const deadline = Date.now() + DEADLINE_MS;
  while ((await docker.try("inspect", "steady")).code !== 0) assert.ok(Date.now() < deadline, "the engine does not answer");
  assert.equal(await (await fetch(`http://${address}/`)).text(), "served by a container\n");
  await docker.do("kill", "steady");
  while ((await docker.do("ps", "-aq")) !== "") assert.ok(Date.now() < deadline, "the container is not removed");
});
