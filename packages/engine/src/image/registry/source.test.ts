import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { parseChallenge } from "./authorization.js";
import { namesRegistry, parseRemote } from "./reference.js";
import type { RegistrySettings } from "./settings.js";
import { RegistryImageSource } from "./source.js";

const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const BLOB = randomBytes(3_000_000);
const MANIFEST = Buffer.from(JSON.stringify({ schemaVersion: 2, config: { digest: sha256(BLOB) } }));

/** A registry as the public ones are: tokens from another path, blobs behind a redirect, failures as they are told. */
class PublicRegistry {
  readonly requests: string[] = [];
  /** Answers with 503 so many times before the next real answer. */
  failures = 0;
  /** Cuts blob answers after so many bytes. */
  cutAfter = Number.POSITIVE_INFINITY;
  /** Sends so many bytes of a blob and then nothing more. */
  stallAfter = Number.POSITIVE_INFINITY;
  content = BLOB;
  readonly #server = createServer((request, response) => this.#answer(request, response));

  async listen(t: TestContext): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    t.after(() => this.close());
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { host = "", authorization, range } = request.headers;
    const url = new URL(request.url ?? "/", `http://${host}`);
    this.requests.push(`${url.pathname}${range === undefined ? "" : ` ${range}`}`);
    if (this.failures > 0) {
      this.failures--;
      response.writeHead(503).end();
    } else if (url.pathname === "/token") {
      const right = authorization === `Basic ${Buffer.from("me:secret").toString("base64")}`;
      response.writeHead(right ? 200 : 401).end(JSON.stringify({ token: `for ${url.searchParams.get("scope")}` }));
    } else if (url.pathname.startsWith("/cdn/")) {
      this.#blob(range, authorization, response);
    } else if (authorization !== "Bearer for repository:team/app:pull") {
      const challenge = `Bearer realm="http://${host}/token",service="here",scope="repository:team/app:pull"`;
      response.writeHead(401, { "www-authenticate": challenge }).end();
    } else if (["1", sha256(MANIFEST)].some((version) => url.pathname === `/v2/team/app/manifests/${version}`)) {
      response.writeHead(200).end(MANIFEST);
    } else if (url.pathname === `/v2/team/app/blobs/${sha256(BLOB)}`) {
      response.writeHead(307, { location: `http://localhost:${host.split(":")[1]}/cdn/x` }).end();
    } else {
      response.writeHead(404).end();
    }
  }

  #blob(range: string | undefined, authorization: string | undefined, response: ServerResponse): void {
    if (authorization !== undefined) return void response.writeHead(400).end();
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const body = this.content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": body.length });
    if (body.length > this.stallAfter) response.write(body.subarray(0, this.stallAfter));
    else if (body.length <= this.cutAfter) response.end(body);
    else response.write(body.subarray(0, this.cutAfter), () => setTimeout(() => response.destroy(), 20));
  }
}

async function setUp(t: TestContext, settings: RegistrySettings = { username: "me", password: "secret", insecure: true }) {
  const registry = new PublicRegistry();
  const host = await registry.listen(t);
  const directory = mkdtempSync(join(tmpdir(), "longshore-pull-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const open = async (registries: Record<string, RegistrySettings> = { [host]: settings }, cacheBytes = 1e9) => {
    const source = await RegistryImageSource.open({ directory, registries, cacheBytes });
    t.after(() => source[Symbol.asyncDispose]());
    return source;
  };
  return { registry, host, directory, open, image: `${host}/team/app:1` };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited a minute for: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function read(source: RegistryImageSource, image: string): Promise<Buffer | undefined> {
  const stream = await source.blob(sha256(BLOB), image);
  return stream === undefined ? undefined : await buffer(stream);
}

test("what is said of a registry counts from the next request on", async (t) => {
  const registry = new PublicRegistry();
  const host = await registry.listen(t);
  const directory = mkdtempSync(join(tmpdir(), "longshore-pull-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  let said: RegistrySettings = { insecure: true, username: "me", password: "wrong" };
  const source = await RegistryImageSource.open({ directory, registries: async () => said });
  t.after(() => source[Symbol.asyncDispose]());
  const refused = (error: unknown) => error instanceof LongshoreError && error.code === "UNAUTHORIZED";
  await assert.rejects(source.manifest(`${host}/team/app:1`), refused);
  said = { insecure: true, username: "me", password: "secret" };
  assert.equal((await source.manifest(`${host}/team/app:1`))?.digest, sha256(MANIFEST));
  said = { insecure: true };
  await assert.rejects(source.manifest(`${host}/team/app:1`, { fresh: true }), refused);
});

test("names: Docker Hub's, ports, digests, and what belongs to the installation's own registry", () => {
  assert.deepEqual(parseRemote("docker.io/nginx"), { host: "docker.io", repository: "library/nginx", version: "latest" });
  const digest = `sha256:${"a".repeat(64)}`;
  assert.deepEqual(parseRemote(`r.example:5000/a/b:1@${digest}`), { host: "r.example:5000", repository: "a/b", version: digest, digest });
  assert.ok(!namesRegistry(`${"0".repeat(32)}/app:1`) && !namesRegistry("nginx:1") && namesRegistry("localhost/x"));
  for (const wrong of ["nginx", "r.example/", "r.example/UPPER", "r.example/a/../b", "r.example/a:b:c"])
    assert.throws(() => parseRemote(wrong), LongshoreError);
  assert.equal(parseChallenge('Bearer realm="x",service="a,b"')?.parameters.get("service"), "a,b");
  assert.equal(parseChallenge("Negotiate"), undefined);
});

test("a pull with a token, over a redirect that is shown no token; the second needs no network", async (t) => {
  const { registry, image, open } = await setUp(t);
  const source = await open();
  assert.deepEqual(await source.manifest(image), { digest: sha256(MANIFEST), bytes: MANIFEST });
  const [first, second] = await Promise.all([read(source, image), read(source, image)]);
  assert.ok(first?.equals(BLOB) && second?.equals(BLOB));
  assert.equal(registry.requests.filter((path) => path.startsWith("/cdn")).length, 1);
  assert.equal(registry.requests.filter((path) => path === "/token").length, 1);
  const byDigest = image.replace(":1", `@${sha256(MANIFEST)}`);
  await source.manifest(byDigest);
  registry.close();
  const again = await open();
  assert.ok((await read(again, image))?.equals(BLOB));
  assert.equal((await again.manifest(byDigest))?.digest, sha256(MANIFEST));
  assert.equal((await again.manifest(image))?.digest, sha256(MANIFEST));
});

test("failures are tried again, and a download that breaks off goes on where it was", async (t) => {
  const { registry, image, open } = await setUp(t);
  registry.failures = 2;
  registry.cutAfter = 1_000_000;
  const source = await open();
  assert.ok((await read(source, image))?.equals(BLOB));
  const [first, ...rest] = registry.requests.filter((path) => path.startsWith("/cdn"));
  assert.equal(first, "/cdn/x");
  const starts = rest.map((path) => Number(/ bytes=(\d+)-$/.exec(path)?.[1]));
  assert.ok(starts.length >= 2 && starts.every((start, at) => start > (starts[at - 1] ?? 0)), rest.join(", "));
});

test("a pull whose process is killed goes on where it was; what is not a beginning of the blob is fetched anew", async (t) => {
  const { registry, host, image, open, directory } = await setUp(t);
  registry.stallAfter = 1_000_000;
  const child = fork(new URL("../../testing/pull.js", import.meta.url), [directory, host, image, sha256(BLOB)], { stdio: "inherit" });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const partial = join(directory, "blobs", `${sha256(BLOB).slice("sha256:".length)}.partial`);
  await until(() => existsSync(partial) && statSync(partial).size >= 1_000_000);
  child.kill("SIGKILL");
  await gone;
  registry.stallAfter = Number.POSITIVE_INFINITY;
  assert.ok((await read(await open(), image))?.equals(BLOB));
  const downloads = () => registry.requests.filter((path) => path.startsWith("/cdn"));
  assert.deepEqual(downloads(), ["/cdn/x", "/cdn/x bytes=1000000-"]);

  rmSync(partial.replace(".partial", ""));
  writeFileSync(partial, randomBytes(500_000));
  assert.ok((await read(await open(), image))?.equals(BLOB));
  assert.deepEqual(downloads().slice(2), ["/cdn/x bytes=500000-", "/cdn/x"]);
});

test("a blob that is longer than its image says is not taken; a download that fails is not the failure of all who wait for it", async (t) => {
  const { registry, image, open } = await setUp(t);
  const fails = (code: string) => (error: unknown) => error instanceof LongshoreError && error.code === code;
  const source = await open();
  await assert.rejects(source.blob(sha256(BLOB), image, BLOB.length - 1), fails("INVALID_INPUT"));
  assert.equal(registry.requests.filter((path) => path.startsWith("/cdn")).length, 1);
  const [missing, found] = await Promise.all([
    source.blob(sha256(BLOB), image.replace("team/app", "team/none")).catch((error: unknown) => error),
    source.blob(sha256(BLOB), image, BLOB.length),
  ]);
  assert.ok(missing === undefined || missing instanceof Error);
  assert.ok(found !== undefined && (await buffer(found)).equals(BLOB));
});

test("what a tag names now is asked of the registry, not of memory; a digest needs neither", async (t) => {
  const { registry, image, open } = await setUp(t);
  const source = await open();
  const first = await source.manifest(image);
  registry.close();
  assert.deepEqual(await source.manifest(image), first);
  assert.deepEqual(await source.manifest(image.replace(":1", `@${sha256(MANIFEST)}`), { fresh: true }), first);
  await assert.rejects(source.manifest(image, { fresh: true }), (error) => error instanceof LongshoreError && error.code === "UNAVAILABLE");
});

test("wrong bytes, wrong passwords, missing images and closed doors are told apart", async (t) => {
  const { registry, host, image, open } = await setUp(t);
  const fails = (code: string) => (error: unknown) => error instanceof LongshoreError && error.code === code;
  const source = await open();
  assert.equal(await source.blob(`sha256:${"b".repeat(64)}`, image), undefined);
  registry.content = randomBytes(10);
  await assert.rejects(read(source, image), fails("INVALID_INPUT"));
  const wrong = await open({ [host]: { username: "me", password: "wrong", insecure: true } });
  await assert.rejects(wrong.manifest(image), fails("UNAUTHORIZED"));
  const strict = await open({ [host]: { username: "me", password: "secret" } });
  await assert.rejects(strict.manifest(`${host}/team/other:1`), fails("UNAVAILABLE"));
});

test("a mirror is asked first; the registry has the last word", async (t) => {
  const mirror = await setUp(t);
  const { registry, host, image, open } = await setUp(t);
  const settings = { username: "me", password: "secret", insecure: true };
  const source = await open({ [host]: { ...settings, mirror: mirror.host }, [mirror.host]: settings });
  assert.equal((await source.manifest(image))?.digest, sha256(MANIFEST));
  assert.equal(registry.requests.length, 0);
  mirror.registry.close();
  assert.ok((await read(source, image))?.equals(BLOB));
  registry.close();
  await assert.rejects(
    source.manifest(image, { fresh: true }),
    new RegExp(`registry ${host} cannot.*mirror said before: .*${mirror.host} cannot`),
  );
});

test("what was used least recently is dropped from the cache when it is opened", async (t) => {
  const { registry, image, open } = await setUp(t);
  await read(await open(), image);
  await open(undefined, 1_000);
  const before = registry.requests.length;
  assert.ok((await read(await open(), image))?.equals(BLOB));
  assert.ok(registry.requests.length > before);
});
