import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseEnvironment, cli, collect, eventually, type Finished, leftovers, platformSuite, run } from "@longshore/testkit";
import { busyboxApp } from "./busybox-app.js";

const APP = "steady";
const DEADLINE_MS = 60_000;
const FREE_PORTS = ["--edge-port", "0", "--api-port", "0", "--registry-port", "0"];

const { test } = platformSuite({
  prepare: async (platform) => {
    using app = busyboxApp({ name: APP });
    const env = { ...baseEnvironment(), HOME: app.path };
    const { code, stdout, stderr } = await run(process.execPath, [cli, "deploy", "--data", platform.data], {
      cwd: app.path,
      env,
      deadlineMs: 2 * DEADLINE_MS,
    });
    assert.equal(code, 0, stdout + stderr);
    // wrangler itself names an address at Cloudflare's domain.
    assert.match(stderr, new RegExp(`^Served here at ${platform.url(APP)}$`, "m"));
  },
});

async function up(data: string, ...flags: string[]): Promise<Finished> {
  return await run(process.execPath, [cli, "up", "--data", data, ...flags], { env: baseEnvironment(), deadlineMs: DEADLINE_MS });
}

test("up twice on one data directory: the second says so, the first serves on", async (platform) => {
  const before = await (await platform.fetch(APP, "/one/")).text();
  const second = await up(platform.data, ...FREE_PORTS);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /Longshore runs on the data directory \S+ already\..*longshore status.*longshore down.*or name another/);
  assert.equal(second.stdout, "");
  assert.equal(await (await platform.fetch(APP, "/one/")).text(), before);
  assert.equal((await platform.longshore(["status"])).code, 0);
});

for (const [part, flag] of [
  ["edge", "--edge-port"],
  ["API", "--api-port"],
  ["registry", "--registry-port"],
] as const) {
  test(`the ${part}'s port is taken: it is named with the flag, and nothing is left`, async () => {
    await using taken = await takenPort();
    const data = mkdtempSync(join(tmpdir(), "longshore-e2e-"));
    try {
      const flags = FREE_PORTS.with(FREE_PORTS.indexOf(flag) + 1, String(taken.port));
      const { code, stdout, stderr } = await up(data, ...flags);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, new RegExp(`${taken.port}.*${flag}`));
      assert.doesNotMatch(stderr, /\n\s+at /);
      assert.deepEqual(leftovers(data), []);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  });
}

test("a port is taken at the next start: nothing is left, and with the port free again everything is there", async (platform) => {
  await platform.down();
  const { code } = await (async () => {
    await using taken = await takenPort(platform.presence.edgePort);
    assert.equal(taken.port, platform.presence.edgePort);
    return await platform.tryUp();
  })();
  assert.equal(code, 1);
  assert.deepEqual(leftovers(platform.data), []);
  await platform.upAgain();
  assert.equal(await (await platform.fetch(APP, "/one/")).text(), "first version\n");
});

test("a port is taken while the server is started again: it is tried on, and what is ended then leaves nothing", async (platform) => {
  const { edgePort } = platform.presence;
  await platform.kill("server");
  await using _taken = await eventually("the server's port", DEADLINE_MS, () => takenPort(edgePort).catch(() => undefined));
  await eventually("a try", DEADLINE_MS, () => platform.output.includes("The server does not start") || undefined);
  await platform.down();
  assert.deepEqual(leftovers(platform.data), []);
});

test("a signal while it starts ends what was started", async () => {
  const data = mkdtempSync(join(tmpdir(), "longshore-e2e-"));
  const up = spawn(process.execPath, [cli, "up", "--data", data, ...FREE_PORTS], {
    env: baseEnvironment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said = collect(up.stderr);
  const exited = once(up, "exit");
  try {
    await eventually("its engine", DEADLINE_MS, () => existsSync(join(data, "logs/engine.log")) || undefined);
    up.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null], said.text);
    assert.match(said.text, /^SIGTERM: ending containers and Workers/m);
    assert.deepEqual(leftovers(data), []);
  } finally {
    up.kill("SIGKILL");
    rmSync(data, { recursive: true, force: true });
  }
});

test("a setting that is not valid is named", async () => {
  const { code, stderr } = await up("/nowhere", "--edge-port", "http");
  assert.equal(code, 2);
  assert.match(stderr, /edgePort[\s\S]*longshore up --help/);
});

async function takenPort(wanted = 0): Promise<AsyncDisposable & { port: number }> {
  const server = createServer().listen(wanted, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}
