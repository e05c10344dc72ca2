import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { runDirectory } from "@longshore/server";
import { baseEnvironment, eventually, type Platform, platformSuite, processesOf, run } from "@longshore/testkit";
import { WebSocket } from "ws";
import { busyboxApp } from "./busybox-app.js";

/** Not words that could be anywhere by chance, and each kind its own, so that a finding says what leaked. */
const planted = {
  put: secret(),
  bulk: secret(),
  registry: secret(),
  store: secret(),
  inExec: secret(),
  refused: secret(),
};
/** Filled as they are made. */
const issued: Record<string, string> = {};

function secret(): string {
  return `planted-${randomBytes(12).toString("hex")}`;
}

const app = busyboxApp({
  name: "vault",
  fields: "envVars = { FROM_SECRET: this.env.BULK };",
  before: `
    if (url.pathname === "/secret") return Response.json([env.PUT, env.BULK]);
    if (url.pathname === "/exec") {
      const object = env.BOX.getByName("one");
      return Response.json(await object.execute(request.headers.get("in-exec")));
    }`,
});
app.replace(
  "index.js",
  "  defaultPort = 8080;",
  `  defaultPort = 8080;
  async execute(text) {
    const process = await this.ctx.container.exec(["sh", "-c", "echo $FROM_SECRET $IN_EXEC; sleep 60"], { env: { IN_EXEC: text } });
    const reader = process.stdout.getReader();
    return new TextDecoder().decode((await reader.read()).value);
  }`,
);
after(() => app[Symbol.dispose]());
const { test } = platformSuite({
  async prepare(platform) {
    await platform.deploy(app.path);
  },
});

test("a token does in wrangler what its scopes say, and nothing from the moment it is revoked", async (platform) => {
  const create = async (name: string, ...more: string[]) =>
    (await platform.succeed(["token", "create", "--name", name, ...more])).stdout.trim();
  const reader = await create("reader", "--scopes", "read", "--expires", "1h");
  const deployer = await create("deployer", "--scopes", "deploy,tail:read");
  Object.assign(issued, { reader, deployer });
  for (const version of ["4.86", "latest"] as const) {
    const as = (token: string, ...args: string[]) => platform.wrangler(app.path, args, { version, env: { CLOUDFLARE_API_TOKEN: token } });
    assert.match((await as(reader, "whoami")).stdout, /reader@longshore\.invalid/);
    const refused = await as(reader, "deploy");
    assert.notEqual(refused.code, 0);
    assert.match(refused.stdout + refused.stderr, /lacks the scope workers:write/);
    const deployed = await as(deployer, "deploy");
    assert.equal(deployed.code, 0, deployed.stdout + deployed.stderr);
  }
  assert.equal((await api(platform, "GET", "workers/scripts", undefined, reader)).status, 200);
  assert.equal((await api(platform, "POST", "storage/kv/namespaces", '{"title":"x"}', deployer)).status, 403);

  const password = await registryPassword(platform, deployer);
  assert.equal(await registryStatus(platform, password), 200);
  assert.equal(await registryStatus(platform, deployer), 200);
  const tail = await openTail(platform, deployer);
  const { stdout } = await platform.succeed(["token", "list", "--json"]);
  const listed = JSON.parse(stdout) as { name: string; expires_on?: string }[];
  assert.deepEqual(
    listed.map(({ name, expires_on }) => [name, expires_on !== undefined]),
    [
      ["reader", true],
      ["deployer", false],
    ],
  );
  await platform.succeed(["token", "revoke", "deployer"]);
  assert.equal(await registryStatus(platform, password), 401);
  assert.equal(await registryStatus(platform, deployer), 401);
  await tail.closed;
  assert.equal((await api(platform, "GET", "workers/scripts", undefined, deployer)).status, 401);
  assert.match((await platform.longshore(["token", "revoke", "deployer"])).stderr, /There is no token "deployer"/);
  assert.match((await platform.longshore(["token", "create", "--name", "x", "--scopes", "kv:own"])).stderr, /"kv:own" is not a scope/);
});

test("planted secrets are nowhere on disk, in logs, in processes or in answers", async (platform) => {
  app.write("bulk.json", JSON.stringify({ PUT: planted.put, BULK: planted.bulk }));
  assert.equal((await platform.wrangler(app.path, ["secret", "bulk", "bulk.json"])).code, 0);
  assert.deepEqual(await (await platform.fetch("vault", "/secret")).json(), [planted.put, planted.bulk]);
  assert.equal((await platform.fetch("vault", "/one/")).status, 200);
  app.write("password", `${planted.registry}\n`);
  await platform.succeed(["registry", "add", "registry.example", "--username", "me", "--password-file", join(app.path, "password")]);
  const store = JSON.parse((await api(platform, "POST", "secrets_store/stores", '{"name":"store"}')).text) as { result: { id: string } };
  const kept = JSON.stringify([{ name: "KEPT", value: planted.store, scopes: ["workers"] }]);
  assert.equal((await api(platform, "POST", `secrets_store/stores/${store.result.id}/secrets`, kept)).status, 200);
  const said = (await (await platform.fetch("vault", "/exec", { headers: { "in-exec": planted.inExec } })).json()) as string;
  assert.equal(said.trim(), `${planted.bulk} ${planted.inExec}`);
  issued.password = await registryPassword(platform, platform.presence.token);
  issued.tail = new URL((await openTail(platform, platform.presence.token)).url).pathname.slice("/tails/".length);
  const answers = [await badInput(platform), await everyAnswer(platform)].join("\n");
  await platform.kill("engine");
  await platform.kill("server");
  await eventually("the API", 30_000, () => everyAnswer(platform).catch(() => undefined));

  const secrets = Object.entries({ ...planted, ...issued });
  assert.ok(secrets.length === 10 && secrets.every(([, value]) => value.length > 20));
  const forms = secrets.flatMap(([name, value]) =>
    [value, encoded(value), createHash("sha256").update(value).digest("hex")].map((form) => ({ name, form })),
  );
  const places = new Map([["answers", answers], ...processes(platform)]);
  assert.ok(places.size > 8);
  const found = [...places].flatMap(([place, text]) =>
    forms.filter(({ form }) => text.includes(form)).map(({ name }) => `${name} in ${place}`),
  );
  // A tail's address is told to those who ask for a script's tails, who may open one themselves.
  assert.deepEqual(
    found.filter((each) => each !== "tail in answers"),
    [],
  );
  assert.deepEqual(
    await filesWith(
      platform,
      forms.map(({ form }) => form),
    ),
    [],
  );
  // What was looked for could have been found.
  assert.notDeepEqual(await filesWith(platform, ["FROM busybox", "vault"]), []);
});

/** Without what padding and neighbours change. */
function encoded(text: string): string {
  return Buffer.from(text).toString("base64url").slice(0, -2);
}

/** The files with one of the texts: below the data directory, and those below the run directory, which is in memory, that more than one user can read. */
async function filesWith({ data }: Platform, texts: readonly string[]): Promise<string[]> {
  // The keys themselves, and the owner's token for the CLI: root's and the server's, and outside of the bucket.
  const keys = ["identity.json", "running.json"].map((name) => join(data, name));
  for (const key of keys) assert.equal(statSync(key).mode & 0o077, 0);
  const patterns = texts.flatMap((text) => ["-e", text]);
  const options = { env: baseEnvironment(), deadlineMs: 60_000 };
  const { stdout, stderr } = await run("grep", ["-rlF", ...patterns, data, runDirectory(data)], options);
  assert.equal(stderr, "");
  const found = stdout.split("\n").filter((path) => path !== "" && !keys.includes(path));
  return found.filter((path) => path.startsWith(data) || (statSync(path).mode & 0o077) !== 0);
}

/** Command lines of all processes, and environments of those that are no container's: a container's are its own. */
function processes({ data }: Platform): [string, string][] {
  return processesOf(data).flatMap(({ pid, commandLine, cgroup }): [string, string][] => {
    const own = /\/longshore-[0-9a-f]{8}\//.test(cgroup) ? "" : readFileSync(`/proc/${pid}/environ`, "latin1");
    return [[`process ${pid} (${commandLine.slice(0, 100)})`, `${commandLine}\n${own}`]];
  });
}

async function api(
  platform: Platform,
  method: string,
  path: string,
  body?: string,
  token = platform.presence.token,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${platform.presence.apiUrl}/accounts/${platform.presence.accountId}/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}

/** Answers to requests that hold a secret and cannot be served. */
async function badInput(platform: Platform): Promise<string> {
  const text = planted.refused;
  const requests = [
    ["PUT", "workers/scripts/vault/secrets", JSON.stringify({ name: "", text })],
    ["PUT", "workers/scripts/vault/secrets", JSON.stringify({ name: "A", text, type: "secret_key" })],
    ["PUT", "workers/scripts/vault/secrets", JSON.stringify({ name: "BOX", text })],
    ["PUT", "workers/scripts/vault/secrets", `{"name":"A","text":"${text}`],
    ["PUT", "workers/scripts/none/secrets", JSON.stringify({ name: "A", text })],
    ["PATCH", "workers/scripts/vault/secrets-bulk", JSON.stringify({ secrets: { A: { text: [text] } } })],
    ["PATCH", "workers/scripts/vault/secrets-bulk", JSON.stringify({ secrets: { A: { text }, BOX: { text } } })],
  ] as const;
  const answers = await Promise.all(requests.map(([method, path, body]) => api(platform, method, path, body)));
  for (const { status } of answers) assert.ok(status >= 400 && status < 500);
  return answers.map((each) => each.text).join("\n");
}

/** What the API and the commands say to who may read everything. */
async function everyAnswer(platform: Platform): Promise<string> {
  const script = "workers/scripts/vault";
  const { result } = JSON.parse((await api(platform, "GET", `${script}/versions`)).text) as { result: { items: { id: string }[] } };
  const applications = JSON.parse((await api(platform, "GET", "containers/applications")).text) as { result: { id: string }[] };
  const paths = [
    "workers/scripts",
    "workers/services/vault",
    "workers/workers/vault",
    ...["", "/secrets", "/secrets/PUT", "/settings", "/script-settings", "/versions", "/deployments", "/tails", "/subdomain"].map(
      (path) => script + path,
    ),
    ...result.items.map(({ id }) => `${script}/versions/${id}`),
    ...applications.result.flatMap(({ id }) => [`containers/applications/${id}`, `containers/dash/applications/${id}/instances`]),
    "containers/applications",
    "containers/registries",
    "secrets_store/stores",
    "tokens",
    "tokens/verify",
  ];
  const answers = await Promise.all(paths.map((path) => api(platform, "GET", path)));
  const commands = await Promise.all(
    [["status"], ["status", "--json"], ["logs", "vault"], ["token", "list"]].map((args) => platform.longshore(args)),
  );
  return [
    ...answers.map((each) => each.text),
    ...commands.map(({ stdout, stderr }) => stdout + stderr),
    platform.output.replace(/^ {2}Token .*$/m, ""),
  ].join("\n");
}

async function registryPassword(platform: Platform, token: string): Promise<string> {
  const body = JSON.stringify({ permissions: ["push", "pull"], expiration_minutes: 5 });
  const { text } = await api(platform, "POST", `containers/registries/${platform.presence.registryHost}/credentials`, body, token);
  return (JSON.parse(text) as { result: { password: string } }).result.password;
}

async function registryStatus({ presence }: Platform, password: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`v1:${password}`).toString("base64")}`;
  return (await fetch(`http://${presence.registryHost}/v2/`, { headers: { authorization } })).status;
}

/** Begins a tail and connects to it. */
async function openTail(platform: Platform, token: string): Promise<{ url: string; closed: Promise<void> }> {
  const { text } = await api(platform, "POST", "workers/scripts/vault/tails", "{}", token);
  const { url } = (JSON.parse(text) as { result: { url: string } }).result;
  const socket = new WebSocket(url, "trace-v1");
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("error", reject);
  });
  return { url, closed };
}
