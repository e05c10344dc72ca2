import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DirectoryBucket } from "@longshore/bucket";
import { buildSettings, canPull, dockerCommandPath, ensureBaseImages, seedImage } from "@longshore/build";
import { createRegistry, type Listening, listenTlsAndPlain, type Registry } from "@longshore/registry";

const ACCOUNT = "0123456789abcdef0123456789abcdef";
const DOCKERFILE =
  'FROM busybox\nARG GREETING=none\nRUN echo "$GREETING" >/greeting\nCOPY page.txt /\nEXPOSE 8080\nCMD ["cat", "/page.txt"]\n';

let directory = "";
let registry: Registry;
let listening: Listening;
let host = "";
const environment: NodeJS.ProcessEnv = { ...process.env };
/** Method and path of each request that the registry got. */
const requests: string[] = [];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "longshore-build-push-"));
  environment.LONGSHORE_BUILD_ROOT = join(directory, "build");
  registry = createRegistry({
    bucket: await DirectoryBucket.open(join(directory, "bucket")),
    uploadsDirectory: join(directory, "uploads"),
    authorize: async (username, password) =>
      username === "v1" && password === "right" ? { repositoryPrefix: ACCOUNT, push: true, pull: true } : undefined,
    log: () => undefined,
  });
  listening = await listenTlsAndPlain({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    handler: (req, res) => {
      requests.push(`${req.method} ${req.url}`);
      return registry.handle(req, res);
    },
  });
  host = `127.0.0.1:${listening.port}`;
  await mkdir(join(directory, "context"));
  await writeFile(join(directory, "context", "page.txt"), "first\n");
  await seedImage("busybox", { settings: buildSettings(environment) });
});

after(async () => {
  await listening.close();
  await registry[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** Runs the command as wrangler does: not awaited by blocking, since the registry answers from this very process. */
async function docker(args: readonly string[], stdin = ""): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(dockerCommandPath(), args, { env: environment, cwd: tmpdir() });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.end(stdin);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

async function succeed(args: readonly string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await docker(args, stdin);
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

async function buildAs(tag: string): Promise<void> {
  const flags = ["--load", "-t", tag, "--platform", "linux/amd64", "--provenance=false", "--build-arg", "GREETING=hello"];
  await succeed(["build", ...flags, "-f", "-", join(directory, "context")], DOCKERFILE);
}

async function repoDigests(tag: string): Promise<string[]> {
  return JSON.parse(await succeed(["image", "inspect", tag, "--format", "{{ json .RepoDigests }}"])) as string[];
}

/** What ends an upload of one layer or configuration. */
function uploads(): number {
  return requests.filter((request) => request.startsWith("PUT ") && request.includes("/blobs/uploads/")).length;
}

test("a wrong password is refused, and the right one is kept where only its owner reads it", async () => {
  const refused = await docker(["login", "--password-stdin", "--username", "v1", host], "wrong");
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, new RegExp(`Logging in to ${host} as v1 failed`));
  assert.doesNotMatch(refused.stderr, /\n\s+at /);

  assert.match(await succeed(["login", "--password-stdin", "--username", "v1", host], "right"), /Login Succeeded/);
  const { mode } = await stat(join(directory, "build", "auth.json"));
  assert.equal(mode & 0o777, 0o600);
});

test("a pushed image is known by its digest, so that the same build again needs no push", async () => {
  const name = `${host}/${ACCOUNT}/hello`;
  await buildAs("hello:aaaaaaaa");
  assert.deepEqual(await repoDigests("hello:aaaaaaaa"), []);
  await succeed(["tag", "hello:aaaaaaaa", `${name}:aaaaaaaa`]);
  await succeed(["push", `${name}:aaaaaaaa`]);
  const [pushed = "", ...more] = await repoDigests(`${name}:aaaaaaaa`);
  assert.deepEqual(more, []);
  assert.match(pushed, new RegExp(`^${name}@sha256:[0-9a-f]{64}$`));

  await buildAs("hello:bbbbbbbb");
  assert.deepEqual(await repoDigests("hello:bbbbbbbb"), [pushed]);
  const manifest = JSON.parse(await succeed(["manifest", "inspect", "-v", pushed])) as { Descriptor: { digest: string } };
  assert.equal(`${name}@${manifest.Descriptor.digest}`, pushed);
  await succeed(["image", "rm", "hello:bbbbbbbb"]);

  // What wrangler left is enough for the third time, too.
  await buildAs("hello:cccccccc");
  assert.deepEqual(await repoDigests("hello:cccccccc"), [pushed]);
});

test("of a changed image only the changed layer is sent, and the old digest is not taken for the new one", async () => {
  const name = `${host}/${ACCOUNT}/hello`;
  await writeFile(join(directory, "context", "page.txt"), "second\n");
  await buildAs("hello:dddddddd");
  assert.deepEqual(await repoDigests("hello:dddddddd"), []);
  await succeed(["tag", "hello:dddddddd", `${name}:dddddddd`]);
  const before = uploads();
  await succeed(["push", `${name}:dddddddd`]);
  assert.equal(uploads() - before, 2, "one layer and the configuration");
});

test("the same layers pushed to another repository are mounted, not sent", async () => {
  await succeed(["tag", "hello:dddddddd", `${host}/${ACCOUNT}/other:1`]);
  const before = uploads();
  await succeed(["push", `${host}/${ACCOUNT}/other:1`]);
  assert.ok(uploads() - before <= 1, `${uploads() - before} blobs were uploaded; at most the configuration should be`);
});

test("manifest inspect says when there is no such image", async () => {
  const absent = await docker(["manifest", "inspect", "-v", `${host}/${ACCOUNT}/hello@sha256:${"0".repeat(64)}`]);
  assert.equal(absent.code, 1);
  assert.match(absent.stderr, /has no 127\.0\.0\.1:\d+\/\w+\/hello@sha256:0+/);
});

test("an image is pulled back, and a Dockerfile may start from it", async () => {
  const name = `${host}/${ACCOUNT}/hello:dddddddd`;
  await succeed(["rmi", name]);
  await succeed(["pull", name, "--platform", "linux/amd64"]);
  assert.equal(await succeed(["inspect", name, "--format", "{{.Os}}/{{.Architecture}}"]), "linux/amd64");

  await succeed(["rmi", name]);
  await succeed(["build", "-t", "derived:1", "-f", "-", join(directory, "context")], `FROM ${name}\nRUN grep second /page.txt\n`);
});

test("whether an image can be pulled is known within seconds", async () => {
  const saved = process.env.LONGSHORE_BUILD_ROOT;
  process.env.LONGSHORE_BUILD_ROOT = environment.LONGSHORE_BUILD_ROOT;
  try {
    assert.equal(await canPull(`${host}/${ACCOUNT}/hello:dddddddd`), true);
    assert.equal(await canPull(`${host}/${ACCOUNT}/hello:absent`), false);
    const started = performance.now();
    // A port that takes connections and never answers.
    const { createServer } = await import("node:net");
    const silent = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const address = silent.address();
    assert.ok(address !== null && typeof address === "object");
    assert.equal(await canPull(`127.0.0.1:${address.port}/some/image:1`), false);
    assert.ok(performance.now() - started < 30_000);
    silent.close();
  } finally {
    if (saved === undefined) delete process.env.LONGSHORE_BUILD_ROOT;
    else process.env.LONGSHORE_BUILD_ROOT = saved;
  }
});

test("base images are kept, pulled, seeded or missed, in this order", async () => {
  const file = join(directory, "Dockerfile.bases");
  const pullable = `${host}/${ACCOUNT}/other:1`;
  await succeed(["rmi", pullable]);
  await writeFile(
    file,
    `FROM busybox AS a\nFROM ${pullable} AS b\nFROM ${host}/${ACCOUNT}/nothing:1\nCOPY --from=a / /a\nCOPY --from=b / /b\n`,
  );
  const { present, pullable: reachable, seeded, missing } = await ensureBaseImages(file, { settings: buildSettings(environment) });
  assert.deepEqual(present, ["docker.io/library/busybox:latest"]);
  assert.deepEqual(reachable, [pullable]);
  assert.deepEqual(seeded, []);
  assert.deepEqual(missing, [`${host}/${ACCOUNT}/nothing:1`]);
});
