import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openBuildRoot } from "../build-root.js";
import { runBuildah } from "../buildah.js";
import { dockerCommandPath } from "../docker-command-path.js";
import { writeImageArchive } from "../seed/image-archive.js";
import { seedImage } from "../seed/seed.js";
import { buildSettings } from "../settings.js";
import { workingContainers } from "../storage.js";

const WRANGLER_FLAGS = ["--load", "--platform", "linux/amd64", "--provenance=false"];

let directory = "";
let context = "";
const environment: NodeJS.ProcessEnv = { ...process.env };

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "longshore-build-"));
  context = join(directory, "context");
  environment.LONGSHORE_BUILD_ROOT = join(directory, "Root With Space");
  await mkdir(context);
  await writeFile(join(context, "page.txt"), "hello\n");
  await seedImage("busybox", { settings: buildSettings(environment) });
});

after(() => rm(directory, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], extra: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(dockerCommandPath(), args, { env: { ...environment, ...extra }, cwd: "/", detached: true });
}

async function docker(args: readonly string[], stdin = "", extra: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const child = start(args, extra);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  child.stdin?.end(stdin);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

function build(tag: string, dockerfile: string, ...flags: string[]): Promise<Outcome> {
  return docker(["build", "-t", tag, ...WRANGLER_FLAGS, ...flags, "-f", "-", context], dockerfile);
}

async function inspect(tag: string, format: string): Promise<string> {
  const { code, stdout, stderr } = await docker(["image", "inspect", tag, "--format", format]);
  assert.equal(code, 0, stderr);
  return stdout.trimEnd();
}

/** A failure that a person can read: an exit code, what is wrong, and no stack trace. */
function assertFails(outcome: Outcome, ...patterns: RegExp[]): void {
  assert.equal(outcome.code, 1, outcome.stderr);
  for (const pattern of patterns) assert.match(outcome.stderr, pattern);
  assert.doesNotMatch(outcome.stderr, /\n\s+at .*:\d+/);
}

async function assertNothingLeft(): Promise<void> {
  const root = await openBuildRoot(buildSettings(environment));
  assert.deepEqual(await workingContainers(root), []);
  assert.deepEqual(await readdir(root.work), []);
  assert.doesNotMatch(await readFile("/proc/self/mounts", "utf8"), new RegExp(directory));
}

test("a Dockerfile on the standard input is built with its build arguments", async () => {
  const dockerfile = 'FROM busybox\nARG WHO\nRUN test "$WHO" = "a b=c"\nCOPY page.txt /\nEXPOSE 8080 9090/udp\nENTRYPOINT ["cat"]\n';
  const first = await build("first:1", dockerfile, "--build-arg", "WHO=a b=c", "--network", "host");
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stdout, "", "progress belongs on the standard error");
  assert.match(first.stderr, /STEP 4\/6: COPY page.txt/);

  assert.equal(await inspect("first:1", "{{ len .Config.ExposedPorts }}"), "2");
  assert.equal(await inspect("first:1", "{{ json .RepoDigests }}"), "[]");
  assert.equal(await inspect("first:1", "{{ .Os }}/{{ .Architecture }}"), "linux/amd64");
  const [size, layers] = (await inspect("first:1", "{{ .Size }} {{ len .RootFS.Layers }}")).split(" ");
  assert.ok(Number(size) > 1_000_000 && Number(layers) >= 2, `${size} ${layers}`);

  const again = await build("again:1", dockerfile, "--build-arg", "WHO=a b=c", "--network", "host");
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /Using cache/);
  assert.equal(await inspect("again:1", "{{ .Id }}"), await inspect("first:1", "{{ .Id }}"));
  assert.deepEqual((await inspect("first:1", "{{ range .RepoTags }}{{ . }}\n{{ end }}")).trim().split("\n").sort(), ["again:1", "first:1"]);

  const [whole] = JSON.parse((await docker(["inspect", "first:1"])).stdout) as {
    Config: { Entrypoint: string[] };
    RootFS: { Type: string };
  }[];
  assert.deepEqual(whole?.Config.Entrypoint, ["cat"]);
  assert.equal(whole?.RootFS.Type, "layers");
  await assertNothingLeft();
});

test("names are added, listed and taken away", async () => {
  assert.equal((await build("cloudflare-dev/web:1", "FROM busybox\nCMD true\n")).code, 0);
  assert.equal((await docker(["tag", "cloudflare-dev/web:1", "cloudflare-dev/web:2"])).code, 0);
  const list = ["image", "ls", "--filter", "reference=cloudflare-dev/*", "--format", "{{.Repository}}:{{.Tag}}"];
  assert.deepEqual((await docker(list)).stdout.trim().split("\n").sort(), ["cloudflare-dev/web:1", "cloudflare-dev/web:2"]);
  assert.match((await docker(["image", "rm", "cloudflare-dev/web:1"])).stdout, /Untagged/);
  assert.match((await docker(["rmi", "cloudflare-dev/web:2"])).stdout, /Deleted/);
  assert.equal((await docker(list)).stdout, "");
  assertFails(await docker(["image", "inspect", "cloudflare-dev/web:1"]), /no image "cloudflare-dev\/web:1"/);
});

test("a Dockerfile that fails shows the step and its output, and leaves nothing behind", async () => {
  const failed = await build("failing:1", "FROM busybox\nCOPY page.txt /\nRUN echo about to fail >&2; exit 3\nCMD true\n");
  assertFails(failed, /about to fail/, /failed at step 3\/4: RUN echo about to fail >&2; exit 3/);
  assertFails(await docker(["image", "inspect", "failing:1"]), /no image/);
  assertFails(await build("failing:1", "FROM busybox\nCOPY absent.txt /\n"), /absent\.txt/, /failed at step 2\/2: COPY absent\.txt/);
  assertFails(await build("failing:1", "FROM busybox\nFROBNICATE\n"), /FROBNICATE/i);
  await assertNothingLeft();
});

test("a base image that cannot be had is named, with what to do", async () => {
  const nowhere = await build("x:1", "FROM localhost:1/team/base:7\nCMD true\n");
  assertFails(nowhere, /base image localhost:1\/team\/base:7 .* could not be pulled/, /push it into Longshore's own registry/);
  const empty = { LONGSHORE_BUILD_ROOT: join(directory, "empty") };
  // An unreachable proxy stands for a machine without internet, also where there is some.
  const offline = { ...empty, HTTPS_PROXY: "http://127.0.0.1:1" };
  for (const [image, seed] of [
    ["busybox", "busybox"],
    ["node:20-slim", "node"],
  ]) {
    const outcome = await docker(["build", "-t", "x:1", "-f", "-", context], `FROM ${image}\n`, offline);
    assertFails(outcome, /base image docker\.io\/library\/\w+:\S+ is not on this machine/, new RegExp(`longshore image seed ${seed}"`));
  }
});

test("an image for another architecture is refused, wherever that shows", async () => {
  const asked = await build("arm:1", "FROM --platform=linux/arm64 busybox\nCMD true\n");
  assertFails(asked, /builds for linux\/arm64/, /run linux\/amd64/);
  assertFails(await docker(["build", "-t", "arm:1", "--platform", "linux/arm64", "-f", "-", context], "FROM busybox\n"), /"linux\/arm64"/);

  // A base image whose configuration says arm64, and a Dockerfile that runs nothing in it.
  const root = await openBuildRoot(buildSettings(environment));
  const archive = join(directory, "arm.tar");
  const image = { entries: [{ path: "file", content: "x" }], config: {}, from: "", architecture: "arm64" };
  await writeImageArchive(archive, image, "docker.io/library/armed:1");
  assert.equal((await runBuildah(root, ["pull", "--policy", "always", `docker-archive:${archive}`], { output: "capture" })).code, 0);
  assertFails(await build("arm:1", "FROM armed:1\nCOPY page.txt /\n"), /base image armed:1 is for linux\/arm64/, /run linux\/amd64/);
  assertFails(await docker(["image", "inspect", "arm:1"]), /no image/);
});

test("a context or a Dockerfile that is not there is named", async () => {
  assertFails(await docker(["build", "-f", "-", join(directory, "nowhere")], "FROM busybox\n"), /context \S+nowhere does not exist/);
  assertFails(await docker(["build", context]), /no Dockerfile at \S+context\/Dockerfile/);
  assertFails(await docker(["build", "-f", "-", context], "# nothing\n"), /has no FROM/);
  assertFails(await docker(["build", "-t", "Upper", "-f", "-", context], "FROM busybox\n"), /"Upper" is not an image reference/);
  assertFails(await docker(["build", "--frob", context]), /Unknown option '--frob'/);
});

test("what wrangler asks before it builds", async () => {
  assert.equal((await docker(["info"])).code, 0);
  assert.equal((await docker(["--host", "unix:///nowhere", "info", "--format", "{{json .SecurityOptions}}"])).stdout, "[]\n");
  const [line = ""] = (await docker(["--host", "unix:///e.sock", "context", "ls", "--format", "json"])).stdout.split("\n");
  assert.equal((JSON.parse(line) as { DockerEndpoint: string }).DockerEndpoint, "unix:///e.sock");
  assert.match((await docker(["version"])).stdout, /buildah version/);
  assertFails(await docker(["frobnicate"]), /no command "frobnicate"/);
  // Only node itself is on this path.
  const bin = join(directory, "bin");
  await mkdir(bin);
  await symlink(process.execPath, join(bin, "node"));
  await symlink("/usr/bin/env", join(bin, "env"));
  assertFails(await docker(["info"], "", { PATH: bin }), /"buildah" is not on the path/, /apt-get install buildah/);
});

test("containers are the engine's, and without an engine there are none", async () => {
  const list = ["ps", "-a", "--filter", "ancestor=web:1", "--format", "{{.ID}}"];
  assert.deepEqual(await docker(list), { code: 0, stdout: "", stderr: "" });
  assert.equal((await docker(["rm", "--force", "abc"])).code, 0);

  const seen: string[] = [];
  const engine = createServer((req, res) => {
    seen.push(`${req.method} ${decodeURIComponent(req.url ?? "")}`);
    if (req.method === "GET") res.end(JSON.stringify([{ Id: "0123456789abcdef", Names: ["/one"], Image: "web:1", State: "running" }]));
    else res.writeHead(204).end();
  });
  const socket = join(directory, "engine.sock");
  engine.listen(socket);
  await once(engine, "listening");
  try {
    assert.equal((await docker(list, "", { LONGSHORE_ENGINE_SOCKET: socket })).stdout, "0123456789ab\n");
    assert.equal((await docker(["rm", "--force", "0123456789ab"], "", { DOCKER_HOST: `unix://${socket}` })).code, 0);
    assert.deepEqual(seen, ['GET /containers/json?all=1&filters={"ancestor":["web:1"]}', "DELETE /containers/0123456789ab?force=1"]);
  } finally {
    engine.close();
  }
});

test("builds at the same time do not disturb one another", async () => {
  const builds = ["1", "2", "3"].map((n) => build(`parallel:${n}`, `FROM busybox\nRUN echo ${n} >/n\nRUN test "$(cat /n)" = ${n}\n`));
  for (const { code, stderr } of await Promise.all(builds)) assert.equal(code, 0, stderr);
  await assertNothingLeft();
});

/** Starts a build that hangs in a RUN, and resolves once it is there. From then on nobody reads its output, as when the caller dies. */
async function hangingBuild(mark: string, by = start): Promise<ChildProcess> {
  const child = by(["build", "-t", "hang:1", "-f", "-", context]);
  child.stdin?.end(`FROM busybox\nRUN echo at ${mark}; exec sleep ${mark}\n`);
  let seen = "";
  for await (const chunk of child.stderr?.setEncoding("utf8") ?? []) {
    seen += chunk as string;
    if (new RegExp(`^at ${mark}$`, "m").test(seen)) return child;
  }
  throw new Error(`The build ended early: ${seen}`);
}

async function isRunning(mark: string): Promise<boolean> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "gone");
    if (line === `sleep\0${mark}\0`) return true;
  }
  return false;
}

async function untilEnded(mark: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (await isRunning(mark)) {
    assert.ok(performance.now() < deadline, "the RUN process outlived its build");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a build that is told to end takes everything with it", async () => {
  const child = await hangingBuild("31536001");
  // As wrangler aborts: the whole group.
  process.kill(-(child.pid ?? 0), "SIGTERM");
  const [code] = (await once(child, "exit")) as [number | null];
  assert.equal(code, 143);
  assert.equal(await isRunning("31536001"), false);
  await assertNothingLeft();
});

test("a build in a session of its own ends when who asked for it is gone, as wrangler is after Ctrl-C", async () => {
  // A shell hands a background command no standard input by itself.
  const script = 'exec 3<&0; setsid "$@" <&3 & wait';
  const caller = await hangingBuild("31536003", (args) =>
    spawn("sh", ["-c", script, "sh", process.execPath, dockerCommandPath(), ...args], { env: { ...environment }, stdio: "pipe" }),
  );
  caller.kill("SIGKILL");
  await once(caller, "exit");
  await untilEnded("31536003");
  const deadline = performance.now() + 60_000;
  const { work } = await openBuildRoot(buildSettings(environment));
  while ((await readdir(work)).length > 0) {
    assert.ok(performance.now() < deadline, "what the build was at is not cleaned up");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await assertNothingLeft();
});

test("a build that is killed leaves no process or mount, and the next one sweeps the rest", async () => {
  const child = await hangingBuild("31536002");
  child.kill("SIGKILL");
  await once(child, "exit");
  await untilEnded("31536002");
  const root = await openBuildRoot(buildSettings(environment));
  assert.equal((await workingContainers(root)).length, 1);
  assert.equal((await build("after:1", "FROM busybox\nRUN true\n")).code, 0);
  await assertNothingLeft();
});

test("what wrangler pulls to intercept outbound traffic with is not pulled, and nothing is asked of a network", async () => {
  const wranglers = `cloudflare/proxy-everything:3cb1195@sha256:${"0".repeat(64)}`;
  assert.equal((await docker(["pull", wranglers, "--platform", "linux/amd64"])).code, 0);
  const named = "registry.example:5000/interceptor:1";
  assert.equal((await docker(["pull", named], "", { MINIFLARE_CONTAINER_EGRESS_IMAGE: named })).code, 0);
});

test("what a Dockerfile runs is kept from the machine: its files, its devices, its control groups", async () => {
  const secret = join(directory, "secret");
  await writeFile(secret, "of the machine\n");
  await symlink("/", join(context, "link"));
  execFileSync("mknod", ["-m", "666", join(context, "device"), "c", "1", "3"]);
  const up = "../".repeat(20);
  const attack = [
    `cat /proc/1/root${secret}`,
    `cat /cache/proc/1/root${secret}`,
    "ls /device",
    "mknod /d c 1 3",
    "ls /sys/fs/cgroup/*",
    "echo x >/proc/sys/kernel/core_pattern",
    "mount -t tmpfs none /mnt",
    `cat /context${secret}`,
    `cat /cache${secret}`,
    "cat /context/etc/shadow",
    "cat /cache/etc/shadow",
    "ls /cache/old",
    "touch /cache/usr/written",
    "touch /context/usr/written",
    `touch /context${context}/written`,
    "touch /cache/proc/sys/kernel/written",
    "echo x >/cache/proc/sys/kernel/core_pattern",
    `touch "/cache${environment.LONGSHORE_BUILD_ROOT}/etc/written"`,
  ].map((command) => `if ${command}; then echo "REACHED ${command}"; fi`);
  const mounts = `--mount=type=bind,source=link,target=/context --mount=type=cache,id=${up},target=/cache`;
  const outcome = await build("kept:1", `FROM busybox\nCOPY device /\nRUN ${mounts} (${attack.join("; ")}) 2>/dev/null; ls / >/list\n`);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.doesNotMatch(outcome.stderr, /^REACHED/m);
  assert.equal(await readFile(secret, "utf8"), "of the machine\n");
  const given = await build("given:1", "FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s\n", "--secret", `id=s,src=${secret}`);
  assert.match(given.stderr, /^of the machine$/m);
  // A context in which the build root is, too.
  const wide = await docker(["build", "-t", "wide:1", "-f", "-", directory], "FROM busybox\nCOPY context/page.txt /\nRUN cat /page.txt\n");
  assert.match(wide.stderr, /^hello$/m);
  for (const name of ["link", "device"]) await rm(join(context, name));
  await assertNothingLeft();
});
