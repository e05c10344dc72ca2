import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ACCOUNT, basic, digestOf, keysOf, leftovers, OCI_MANIFEST, startRegistry } from "./fixture-registry.js";

const REGISTRY = fileURLToPath(new URL("collector-process.js", import.meta.url));
/** A push that takes longer may have to begin again: the registry's grace period is short here. */
const SLOW_MS = 700;
const LIVES = 6;
const CLIENTS = 6;
/** Layers that clients share, so that they meet each other's mounts, deletions and the collector's. */
const SHARED = Array.from({ length: 5 }, () => randomBytes(20_000));

/** What a client was told is there, by `<repository>:<tag>`; `undefined` while it does not know. */
type Promised = Map<string, string | undefined>;

test("images pushed, mounted and deleted while garbage is collected are whole, whenever the registry is killed", async () => {
  const root = await mkdtemp(join(tmpdir(), "longshore-collect-"));
  try {
    const promised: Promised = new Map();
    let pushes = 0;
    // A slow machine gets more lives for the same work.
    for (let life = 0; life < LIVES || (pushes <= 50 && life < 10 * LIVES); life++) {
      await using registry = await start(root);
      await checkAll(registry.url, promised);
      const clients = Array.from({ length: CLIENTS }, (_, i) => client(registry.url, `${ACCOUNT}/app${i % 3}`, `${i}`, promised));
      await delay(1_700 + (life % LIVES) * 130);
      registry.process.kill("SIGKILL");
      for (const count of await Promise.all(clients)) pushes += count;
    }
    assert.ok(pushes > 50, `${pushes} images were pushed`);

    await using on = await startRegistry({
      root,
      gracePeriodMs: 0,
      uploadExpiryMs: 0,
      inUse: async () => ({ deployed: new Set(), remembered: new Set() }),
    });
    await checkAll(on.url, promised);
    for (const name of promised.keys()) await on.request(name.replace(":", "/manifests/"), { method: "DELETE" });
    await on.registry.cleanUp();
    assert.deepEqual(await keysOf(on.bucket, ""), [], "without tags nothing is left");
    assert.deepEqual(await leftovers(on.root), []);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

/** Pushes, retags and deletes until the registry is gone; how many images it was told are there. */
async function client(url: string, repository: string, name: string, promised: Promised): Promise<number> {
  let pushes = 0;
  try {
    for (let i = 0; ; i++) {
      const tag = `t${name}-${i % 4}`;
      const key = `${repository}:${tag}`;
      promised.set(key, undefined);
      if (i % 5 === 4) {
        await call(url, "DELETE", `${repository}/manifests/${tag}`, [202, 404]);
        promised.delete(key);
        continue;
      }
      const digest = await push(url, repository, tag);
      if (digest === undefined) continue;
      promised.set(key, digest);
      pushes++;
      await check(url, key, digest);
    }
  } catch (error) {
    // `fetch` fails so when the connection does. All else is a failure of the test.
    if (!(error instanceof TypeError)) throw error;
    return pushes;
  }
}

/** As clients do it: what is there is not sent, what another repository has is mounted, the manifest goes last. */
async function push(url: string, repository: string, tag: string): Promise<string | undefined> {
  const began = Date.now();
  const layers = [randomBytes(3_000), SHARED[Math.floor(Math.random() * SHARED.length)] ?? Buffer.of()];
  const config = Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", nonce: randomBytes(4).toString("hex") }));
  for (const bytes of [...layers, config]) {
    const path = `${repository}/blobs/${digestOf(bytes)}`;
    if ((await call(url, "HEAD", path, [200, 404])).status === 200) continue;
    const mount = await call(url, "POST", `${repository}/blobs/uploads/?mount=${digestOf(bytes)}`, [201, 202]);
    if (mount.status === 201) continue;
    const location = mount.headers.get("location") ?? "";
    await call(url, "PATCH", location, [202], bytes);
    await call(url, "PUT", `${location}?digest=${digestOf(bytes)}`, [201]);
  }
  const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((bytes) => descriptor("application/vnd.oci.image.layer.v1.tar+gzip", bytes)),
  });
  const expected = Date.now() - began < SLOW_MS ? [201] : [201, 404];
  const { status } = await call(url, "PUT", `${repository}/manifests/${tag}`, expected, Buffer.from(manifest));
  return status === 201 ? digestOf(manifest) : undefined;
}

async function checkAll(url: string, promised: Promised): Promise<void> {
  for (const [key, digest] of promised) if (digest !== undefined) await check(url, key, digest);
}

/** The tag leads to that image, and all of it is there. */
async function check(url: string, key: string, digest: string): Promise<void> {
  const [repository = "", tag] = key.split(":");
  const response = await call(url, "GET", `${repository}/manifests/${tag}`, [200]);
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.equal(digestOf(bytes), digest);
  const { config, layers } = JSON.parse(bytes.toString()) as { config: { digest: string }; layers: { digest: string }[] };
  for (const blob of [config, ...layers]) {
    const body = await (await call(url, "GET", `${repository}/blobs/${blob.digest}`, [200])).arrayBuffer();
    assert.equal(`sha256:${createHash("sha256").update(new Uint8Array(body)).digest("hex")}`, blob.digest);
  }
}

async function call(url: string, method: string, path: string, expected: readonly number[], body?: Buffer): Promise<Response> {
  const headers = { authorization: basic("v1"), ...(path.includes("/manifests/") && body ? { "content-type": OCI_MANIFEST } : {}) };
  const response = await fetch(new URL(path, url), { method, headers, ...(body === undefined ? {} : { body: new Uint8Array(body) }) });
  if (!expected.includes(response.status)) assert.fail(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response;
}

async function start(root: string): Promise<{ process: ChildProcess; url: string } & AsyncDisposable> {
  const child = spawn(process.execPath, [REGISTRY, root], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const [port] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return {
    process: child,
    url: `http://127.0.0.1:${port}/v2/`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
