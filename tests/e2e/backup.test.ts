import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { baseEnvironment, cli, type Finished, Platform, platformSuite, run } from "@longshore/testkit";
import { busyboxApp } from "./busybox-app.js";

const directory = mkdtempSync(join(tmpdir(), "longshore-backup-"));
chmodSync(directory, 0o711);
const file = join(directory, "backup.tar.zst");
const restored = join(directory, "restored");
const passphrase = join(directory, "passphrase");
writeFileSync(passphrase, "correct horse\n");

/** One request writes the same number to each kind of store, in this order. */
const STORES = ["kv", "d1", "object"] as const;
type State = Record<(typeof STORES)[number], number> & { secret: string; large: number };

const app = busyboxApp({
  name: "kept",
  before: `
    const object = env.BOX.getByName("state");
    if (url.pathname === "/write") {
      const n = Number(url.searchParams.get("n"));
      await env.KV.put("n", String(n));
      await env.DB.prepare("UPDATE t SET n = ?").bind(n).run();
      await object.write(n);
      return new Response("written");
    }
    if (url.pathname === "/prepare") {
      await env.DB.exec("CREATE TABLE t (n INTEGER)");
      await env.DB.exec("INSERT INTO t VALUES (0)");
      await env.KV.put("large", "x".repeat(1_000_000));
      return new Response("prepared");
    }
    if (url.pathname === "/read") {
      const [kv, { n }, object_, large] = await Promise.all([env.KV.get("n"), env.DB.prepare("SELECT n FROM t").first(), object.read(), env.KV.get("large")]);
      return Response.json({ kv: Number(kv), d1: n, object: object_, large: large.length, secret: env.PASSWORD });
    }`,
});
app.replace(
  "index.js",
  "  defaultPort = 8080;",
  `  defaultPort = 8080;
  async write(n) { await this.ctx.storage.put("n", n); }
  async read() { return await this.ctx.storage.get("n"); }`,
);

after(() => {
  app[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

const { test } = platformSuite({
  async prepare(platform) {
    const namespace = /[0-9a-f]{32}/.exec(await wrangler(platform, "kv", "namespace", "create", "kept"))?.[0];
    const database = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(await wrangler(platform, "d1", "create", "kept"))?.[0];
    app.replace(
      "wrangler.jsonc",
      '"name":"kept"',
      `"name":"kept","kv_namespaces":[{"binding":"KV","id":"${namespace}"}],"d1_databases":[{"binding":"DB","database_name":"kept","database_id":"${database}"}]`,
    );
    await platform.deploy(app.path);
    app.write("secrets.json", JSON.stringify({ PASSWORD: "kept secret" }));
    await wrangler(platform, "secret", "bulk", "secrets.json");
    await platform.fetch("kept", "/prepare");
  },
});

async function wrangler(platform: Platform, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await platform.wrangler(app.path, args);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

async function longshore(...args: string[]): Promise<Finished> {
  return await run(process.execPath, [cli, ...args], { env: baseEnvironment(), deadlineMs: 120_000 });
}

async function read(platform: Platform): Promise<State> {
  const response = await platform.fetch("kept", "/read");
  assert.equal(response.status, 200);
  return (await response.json()) as State;
}

test("a backup is taken while writes go on: none fails, and it is of one moment", async (platform) => {
  assert.equal((await platform.fetch("kept", "/one/")).status, 200);
  let written = 0;
  const ending = new AbortController();
  const load = (async () => {
    for (let n = 1; !ending.signal.aborted; n++) {
      assert.equal((await platform.fetch("kept", `/write?n=${n}`)).status, 200);
      written = n;
    }
  })();
  while (written < 5) await new Promise((resolve) => setTimeout(resolve, 10));
  const before = written;
  const { stdout, stderr } = await platform.succeed(["backup", file, "--passphrase-file", passphrase, "--json"]);
  const after = written;
  ending.abort();
  await load;
  assert.equal(stderr, "");
  const facts = JSON.parse(stdout) as { frozenMs: number; databases: number; encryptedKeys: boolean };
  assert.ok(facts.frozenMs > 0 && facts.databases >= 4 && facts.encryptedKeys, stdout);
  assert.equal(statSync(file).mode & 0o077, 0);
  assert.deepEqual(
    readdirSync(platform.data).filter((name) => name.startsWith("backup.")),
    [],
  );
  expected = { before, after };

  await platform.succeed(["backup", `${join(directory, "tree")}/`]);
  assert.match((await platform.longshore(["backup", file])).stderr, /is there already/);
  assert.match((await platform.longshore(["backup", join(platform.data, "x")])).stderr, /inside of the data directory/);
});
let expected: { before: number; after: number };

test("a restore refuses what it must not touch and what is not whole, and leaves nothing then", async (platform) => {
  const refused = async (pattern: RegExp, ...args: string[]) => {
    const { code, stderr } = await longshore("restore", ...args);
    assert.notEqual(code, 0);
    assert.match(stderr, pattern);
    assert.doesNotMatch(stderr, /^\s+at /m);
  };
  await refused(/is not empty/, file, "--data", platform.data, "--passphrase-file", passphrase);
  const wrong = join(directory, "wrong");
  writeFileSync(wrong, "battery staple");
  await refused(/passphrase does not open/, file, "--data", restored, "--passphrase-file", wrong);
  await refused(/keys are encrypted/, file, "--data", restored);
  const cut = join(directory, "cut.tar.zst");
  copyFileSync(file, cut);
  truncateSync(cut, Math.floor(statSync(file).size * 0.7));
  await refused(/is not a whole backup/, cut, "--data", restored, "--passphrase-file", passphrase);
  await refused(/no longshore-backup\.json/, directory, "--data", restored);
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.startsWith("restored")),
    [],
  );
});

test("what was restored is the same installation: tokens, code, secrets, data, and images that start without a push", async (platform) => {
  const { stdout } = await longshore("restore", file, "--data", restored, "--passphrase-file", passphrase);
  assert.match(stdout, new RegExp(`longshore up --data ${restored}`));
  await using other = await Platform.start({ data: restored, images: [] });
  assert.deepEqual([other.presence.token, other.presence.accountId], [platform.presence.token, platform.presence.accountId]);
  const state = await read(other);
  assert.deepEqual([state.secret, state.large], ["kept secret", 1_000_000]);
  const { kv, d1, object } = state;
  assert.ok(kv >= d1 && d1 >= object && kv - object <= 1, `of one moment: ${JSON.stringify(state)}`);
  assert.ok(object >= expected.before && object <= expected.after, `${object} of ${JSON.stringify(expected)}`);
  const page = await other.fetch("kept", "/one/");
  assert.equal(await page.text(), "first version\n");
  await other.fetch("kept", "/write?n=1000000");
  assert.equal((await read(other)).object, 1_000_000);
  assert.ok((await read(platform)).object < 1_000_000, "the first one goes on by itself");
});

test("a directory is as good as a file, and so is an installation that does not run", async () => {
  const again = join(directory, "again.tar.zst");
  assert.match((await longshore("backup", again, "--data", restored)).stdout, /it does not run/);
  for (const [source, to] of [
    [`${directory}/tree`, "from-tree"],
    [again, "from-again"],
  ] as const) {
    const { code, stderr } = await longshore("restore", source, "--data", join(directory, to), "--json");
    assert.equal(code, 0, stderr);
    assert.equal(statSync(join(directory, to, "identity.json")).mode & 0o077, 0);
    assert.ok(readdirSync(join(directory, to, "bucket/objects/registry/blobs/sha256")).length > 0);
  }
});
