import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { instanceSize } from "@longshore/contract";
import { isAlive } from "../sys/process.js";
import { exitOf } from "../testing/exit-of.js";
import { type Fixture, fixture } from "../testing/fixture.js";
import { createSandbox, removeSandbox } from "./sandbox.js";

const lite = instanceSize("lite");

async function run(f: Fixture, argv: string[], environment: Record<string, string> = { PATH: "/bin" }, image = f.image) {
  const id = randomUUID();
  const sandbox = await createSandbox(f.host, id, image, lite);
  try {
    sandbox.launch({ argv, environment });
    const code = await exitOf(f.host.exitsDirectory, id);
    const log = await readFile(join(f.host.logsDirectory, id), "utf8");
    return {
      code,
      output: log
        .split("\n")
        .filter(Boolean)
        .map((line) => line.split(" ").slice(3).join(" ")),
    };
  } finally {
    await removeSandbox(f.host, id, sandbox.process);
  }
}

test("a sandbox becomes the command it is given, with every byte of environment and arguments", async () => {
  await using f = await fixture();
  const odd = 'it\'s $HOME "quoted" \\ `x` é';
  const { code, output } = await run(f, ["sh", "-c", 'echo "$ODD"; echo "$1"; exit 7', "sh", odd], { PATH: "/bin", ODD: odd });
  assert.equal(code, 7);
  assert.deepEqual(output, [odd, odd]);
});

test("the image's user is who runs, without capabilities in hand, and standard output can be opened by name", async () => {
  await using f = await fixture();
  const image = f.imageWith({ user: "app", workingDirectory: "/tmp" });
  const { code, output } = await run(
    f,
    ["sh", "-c", "id -u; pwd; echo named >/dev/stdout; cat /proc/self/status"],
    { PATH: "/bin" },
    image,
  );
  assert.equal(code, 0);
  assert.deepEqual(output.slice(0, 3), ["1000", "/tmp", "named"]);
  assert.match(output.join("\n"), /CapEff:\t0000000000000000/);
  assert.match(output.join("\n"), /NoNewPrivs:\t1/);
  assert.match(output.join("\n"), /Seccomp:\t2/);
});

test("an init is process 1; any other command is its child, whatever its name begins with", async () => {
  await using f = await fixture();
  for (const [name, pid] of [
    ["init", "1"],
    ["initiative", "other"],
  ] as const) {
    const program = join(f.host.layersDirectory, "busybox/bin", name);
    await writeFile(program, '#!/bin/sh\n[ $$ = 1 ] && echo 1 || echo other\necho "$1"\nexit 5\n', { mode: 0o755 });
    assert.deepEqual(await run(f, [`/bin/${name}`, "it's"]), { code: 5, output: [pid, "it's"] });
  }
});

test("a removed sandbox leaves no process, cgroup or directory", async () => {
  await using f = await fixture();
  const id = randomUUID();
  const sandbox = await createSandbox(f.host, id, f.image, lite);
  sandbox.launch({ argv: ["sh", "-c", "sleep 100 & sleep 100"], environment: { PATH: "/bin" } });
  await removeSandbox(f.host, id, sandbox.process);
  assert.equal(isAlive(sandbox.process), false);
  assert.deepEqual(await f.host.cgroups.ids(), []);
});

test("a sandbox that cannot be made leaves nothing and says why", async () => {
  await using f = await fixture();
  await assert.rejects(createSandbox(f.host, randomUUID(), f.imageWith({ user: "nobody-here" }), lite), /names "nobody-here"/);
  await assert.rejects(createSandbox(f.host, randomUUID(), { ...f.image, layers: ["no-such-layer"] }, lite), /mount/);
});
