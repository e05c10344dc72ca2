import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openBuildRoot } from "../build-root.js";
import { dockerCommandPath } from "../docker-command-path.js";
import { ensureBaseImages } from "../ensure-base-images.js";
import { buildSettings } from "../settings.js";
import { requireImage } from "../storage.js";
import { seedImage } from "./seed.js";

let directory = "";
// An unreachable proxy stands for a machine without internet, also where there is some.
const environment: NodeJS.ProcessEnv = { ...process.env, HTTPS_PROXY: "http://127.0.0.1:1", NO_PROXY: "" };

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "longshore-seed-"));
  environment.LONGSHORE_BUILD_ROOT = join(directory, "build");
});

after(() => rm(directory, { recursive: true, force: true }));

function build(tag: string, dockerfile: string) {
  return spawnSync(dockerCommandPath(), ["build", "-t", tag, "-f", "-", directory], {
    env: environment,
    input: dockerfile,
    encoding: "utf8",
  });
}

async function idOf(name: string): Promise<string> {
  return (await requireImage(await openBuildRoot(buildSettings(environment)), name)).id;
}

test("a Dockerfile that starts from busybox gets a seed, once, and builds without a network", async () => {
  const settings = buildSettings(environment);
  const file = join(directory, "Dockerfile");
  const text =
    'FROM busybox\nRUN wget --help >/dev/null 2>&1 && test -x /usr/bin/env && test "$(stat -c %a /tmp)" = 1777 && whoami >/who\n';
  await writeFile(file, text);

  const first = await ensureBaseImages(file, { settings });
  assert.deepEqual(
    first.seeded.map(({ reference }) => reference),
    ["docker.io/library/busybox:latest"],
  );
  assert.ok((first.seeded[0]?.sizeBytes ?? 0) > 500_000);
  assert.match(first.seeded[0]?.from ?? "", /busybox/);
  const second = await ensureBaseImages(file, { settings });
  assert.deepEqual([second.present.length, second.seeded.length], [1, 0]);

  const { status, stderr } = build("busy:1", text);
  assert.equal(status, 0, stderr);
});

test("the build root is its owner's alone, and what is above it is not touched", async () => {
  const parent = join(directory, "above");
  await openBuildRoot(buildSettings({ ...environment, LONGSHORE_BUILD_ROOT: join(parent, "build") }));
  assert.equal((await stat(parent)).mode & 0o777, 0o777 & ~process.umask());
  assert.equal((await stat(join(parent, "build"))).mode & 0o777, 0o700);
});

test("seeding again gives the same image", async () => {
  const settings = buildSettings(environment);
  await seedImage("busybox", { settings });
  const id = await idOf("busybox");
  await seedImage("busybox", { settings: buildSettings({ ...environment, LONGSHORE_BUILD_ROOT: join(directory, "Other") }) });
  const other = await openBuildRoot(buildSettings({ ...environment, LONGSHORE_BUILD_ROOT: join(directory, "Other") }));
  assert.equal((await requireImage(other, "busybox")).id, id);
});

test("the node seed runs node, its libraries and npm, as the users that the official image has", async () => {
  const { from } = await seedImage("node", { settings: buildSettings(environment) });
  assert.match(from, new RegExp(process.version));
  const check =
    'require("assert").equal(process.version, process.argv[1]); require("http").get("http://localhost:9").on("error", (e) => console.log(e.code))';
  const npm = from.includes("with npm") ? "RUN npm --version\n" : "";
  const { status, stderr } = build(
    "noded:1",
    `FROM node:20-slim\nRUN node -e '${check}' ${process.version}\n${npm}USER node\nRUN test "$(id -u)" = 1000 && cd ~ && echo x >x\n` +
      'RUN test "$(docker-entrypoint.sh --version)" = ' +
      `${process.version} && docker-entrypoint.sh sh -c true && echo 'console.log(1)' >/tmp/a.js && docker-entrypoint.sh /tmp/a.js\nCMD ["x.js"]\n`,
  );
  assert.equal(status, 0, stderr);
  assert.match(stderr, /ECONNREFUSED/);
});

test("a disk that is too small is said to be full", async () => {
  const small = join(directory, "small");
  await mkdir(small);
  assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "none", small]).status, 0);
  try {
    const settings = buildSettings({ ...environment, LONGSHORE_BUILD_ROOT: join(small, "build") });
    await assert.rejects(seedImage("busybox", { settings }), { code: "NO_SPACE" });
    await assert.rejects(seedImage("node", { settings }), { code: "NO_SPACE" });
  } finally {
    assert.equal(spawnSync("umount", [small]).status, 0);
  }
});
