import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { appDirectory, eventually, type Platform, platformSuite, repository } from "@longshore/testkit";
import { copyProgram } from "./copy-program.js";

// As in the documentation (mount R2 buckets with FUSE): the keys are the Worker's secrets, and reach the container as variables.
const worker = `
import { Container, getContainer } from "@longshore/containers";
export { ContainerProxy } from "@longshore/containers";
export class Shell extends Container {
  defaultPort = 8080;
  sleepAfter = "10m";
  envVars = {
    AWS_ACCESS_KEY_ID: this.env.AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: this.env.AWS_SECRET_ACCESS_KEY,
    R2_BUCKET_NAME: this.env.R2_BUCKET_NAME, R2_ACCOUNT_ID: this.env.R2_ACCOUNT_ID,
  };
}
export class Closed extends Shell {
  enableInternet = false;
  // The client puts the bucket into the host's name.
  allowedHosts = [this.env.R2_BUCKET_NAME + "." + this.env.R2_ACCOUNT_ID + ".r2.cloudflarestorage.com"];
}
export class Intercepted extends Closed { interceptHttps = true; }
export default { async fetch(request, { BOX, SHELL, CLOSED, INTERCEPTED }) {
  const { pathname } = new URL(request.url);
  const [, kind, rest] = /^\\/(closed|intercepted)(\\/.*)$/.exec(pathname) ?? [];
  if (kind !== undefined) {
    const container = getContainer(kind === "closed" ? CLOSED : INTERCEPTED);
    if (rest === "/allow") { await container.setAllowedHosts(await request.json()); return new Response("changed"); }
    return container.fetch(new Request("http://container" + rest, request));
  }
  if (!pathname.startsWith("/worker/")) return getContainer(SHELL).fetch(request);
  const key = decodeURIComponent(pathname.slice("/worker/".length));
  if (request.method === "PUT") return Response.json((await BOX.put(key, request.body, { customMetadata: { by: "worker" } })).etag);
  const object = await BOX.get(key);
  return object === null ? new Response(null, { status: 404 }) : new Response(object.body, { headers: { by: object.customMetadata.by ?? "" } });
} };`;

const container = `
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
const { R2_ACCOUNT_ID, R2_BUCKET_NAME: Bucket, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
const endpoint = "https://" + R2_ACCOUNT_ID + ".r2.cloudflarestorage.com";
const s3 = new S3Client({ endpoint, region: "auto", maxAttempts: 1 });
async function answer(request) {
  const [, kind, ...rest] = decodeURIComponent(request.url).split("/");
  const Key = rest.join("/");
  if (kind === "list") return JSON.stringify((await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }))).Contents.map((each) => each.Key));
  if (kind === "mount") {
    mkdirSync("/mnt/r2", { recursive: true });
    const env = { ...process.env, AWSACCESSKEYID: AWS_ACCESS_KEY_ID, AWSSECRETACCESSKEY: AWS_SECRET_ACCESS_KEY };
    const { status, stderr } = spawnSync("s3fs", [Bucket, "/mnt/r2", "-o", "url=" + endpoint + ",use_path_request_style,nomixupload"], { env, encoding: "utf8" });
    return JSON.stringify({ status, stderr, files: readdirSync("/mnt/r2") });
  }
  const write = request.method === "PUT" ? await buffer(request) : undefined;
  if (kind === "file") return write === undefined ? readFileSync("/mnt/r2/" + Key) : String(writeFileSync("/mnt/r2/" + Key, write));
  if (write !== undefined) return (await s3.send(new PutObjectCommand({ Bucket, Key, Body: write, Metadata: { by: "container" } }))).ETag;
  const { Body, Metadata } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Metadata.by + ":" + (await Body.transformToString());
}
createServer((request, response) => {
  answer(request).then((body) => response.end(body), (error) => response.writeHead(500).end(String(error.stack)));
}).listen(8080);`;

const CLASSES = ["Shell", "Closed", "Intercepted"];
const CHANGE_MS = 20_000;
const app = appDirectory({ files: { "index.js": worker, "server.mjs": container } });
const image = join(app.path, "image");
after(() => app[Symbol.dispose]());

const { test } = platformSuite({ images: ["node"], prepare: deploy });

async function deploy(platform: Platform): Promise<void> {
  const esbuild = join(repository, "node_modules/esbuild/bin/esbuild");
  const bundle = ["--bundle", "--platform=node", "--format=cjs", "--log-level=error", `--outfile=${join(image, "app/server.cjs")}`];
  execFileSync(esbuild, ["server.mjs", ...bundle], { cwd: app.path });
  copyProgram("s3fs", image);
  // Its presence asks for the right to mount.
  copyProgram("fusermount3", image);
  symlinkSync("fusermount3", join(image, "usr/bin/fusermount"));
  app.write("Dockerfile", 'FROM docker.io/library/node:20-slim\nCOPY image/ /\nEXPOSE 8080\nCMD ["node", "/app/server.cjs"]\n');
  const config = {
    name: "fuse",
    main: "index.js",
    compatibility_date: "2026-04-01",
    containers: CLASSES.map((class_name) => ({ class_name, image: "./Dockerfile", max_instances: 2, instance_type: "basic" })),
    durable_objects: { bindings: CLASSES.map((class_name) => ({ name: class_name.toUpperCase(), class_name })) },
    migrations: [{ tag: "v1", new_sqlite_classes: CLASSES }],
    r2_buckets: [{ binding: "BOX", bucket_name: "box" }],
    vars: { R2_BUCKET_NAME: "box", R2_ACCOUNT_ID: platform.presence.accountId },
  };
  app.write("wrangler.json", JSON.stringify(config));
  await platform.deploy(app.path);
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = JSON.parse((await platform.succeed(["env", "--s3", "--json"])).stdout) as Record<
    string,
    string
  >;
  app.write("keys.json", JSON.stringify({ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }));
  const { code, stdout, stderr } = await platform.wrangler(app.path, ["secret", "bulk", "keys.json"]);
  assert.equal(code, 0, stdout + stderr);
}

/** A good answer's text. */
async function ask(platform: Platform, path: string, body?: string | Uint8Array): Promise<string> {
  const response = await platform.fetch("fuse", path, body === undefined ? {} : { method: "PUT", body });
  const text = await response.text();
  assert.equal(response.status, 200, `${path}: ${text}`);
  return text;
}

test("AWS's client in a container, at the documented address: what it writes the Worker reads, and the other way round", async (platform) => {
  await ask(platform, "/s3/a/from%20container", "written by S3");
  const read = await platform.fetch("fuse", "/worker/a%2Ffrom%20container");
  assert.deepEqual([await read.text(), read.headers.get("by")], ["written by S3", "container"]);
  await ask(platform, "/worker/from-worker", "written by the binding");
  assert.equal(await ask(platform, "/s3/from-worker"), "worker:written by the binding");
  const large = randomBytes(12_000_000);
  await ask(platform, "/s3/large", large);
  assert.ok(Buffer.from(await (await platform.fetch("fuse", "/worker/large")).arrayBuffer()).equals(large));
  assert.deepEqual(JSON.parse(await ask(platform, "/list")), ["from-worker", "large"]);
});

test("the bucket mounted in a container as a file system (s3fs)", async (platform) => {
  const mounted = JSON.parse(await ask(platform, "/mount")) as { status: number; stderr: string; files: string[] };
  assert.deepEqual([mounted.status, mounted.stderr], [0, ""]);
  assert.deepEqual(mounted.files.sort(), ["a", "from-worker", "large"]);
  assert.equal(await ask(platform, "/file/from-worker"), "written by the binding");
  await ask(platform, "/file/new.txt", "written to a file");
  assert.equal(await ask(platform, "/worker/new.txt"), "written to a file");
  const large = randomBytes(25_000_000);
  await ask(platform, "/file/parts", large);
  assert.ok(Buffer.from(await (await platform.fetch("fuse", "/worker/parts")).arrayBuffer()).equals(large));
});

test("a container without the Internet reaches R2 when allowedHosts names it, as long as it does, and nothing else", async (platform) => {
  const host = `${platform.presence.accountId}.r2.cloudflarestorage.com`;
  await ask(platform, "/worker/for-closed", "written by the binding");
  // The connection that is open is asked for again, which takes a moment.
  const refused = (path: string) =>
    eventually("the end of what was allowed", CHANGE_MS, async () => (await platform.fetch("fuse", path)).status === 500 || undefined);
  for (const kind of ["closed", "intercepted"]) {
    assert.equal(await ask(platform, `/${kind}/s3/for-closed`), "worker:written by the binding", kind);
    await ask(platform, `/${kind}/s3/from-${kind}`, "written by S3");
    assert.equal(await ask(platform, `/worker/from-${kind}`), "written by S3");
    await ask(platform, `/${kind}/allow`, JSON.stringify(["other.example"]));
    await refused(`/${kind}/s3/for-closed`);
    await ask(platform, `/${kind}/allow`, JSON.stringify([host, `other.${host}`]));
    await refused(`/${kind}/s3/for-closed`);
    await ask(platform, `/${kind}/allow`, JSON.stringify(["*.r2.cloudflarestorage.com"]));
    await eventually(
      "the name in a glob",
      CHANGE_MS,
      async () => (await platform.fetch("fuse", `/${kind}/s3/for-closed`)).status === 200 || undefined,
    );
  }
});

test("on the machine: keys that may only read, until they are revoked", async (platform) => {
  const made = JSON.parse((await platform.succeed(["token", "create", "--name", "reader", "--scopes", "r2:read", "--json"])).stdout) as {
    id: string;
    value: string;
  };
  const credentials = { accessKeyId: made.id, secretAccessKey: createHash("sha256").update(made.value).digest("hex") };
  const endpoint = new URL(platform.presence.apiUrl).origin;
  const s3 = new S3Client({ endpoint, region: "auto", forcePathStyle: true, maxAttempts: 1, credentials });
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: "box", Key: "from-worker" }));
  assert.equal(await Body?.transformToString(), "written by the binding");
  const named = (name: string) => (error: unknown) => error instanceof Error && error.name === name;
  await assert.rejects(s3.send(new PutObjectCommand({ Bucket: "box", Key: "k", Body: "x" })), named("AccessDenied"));
  await platform.succeed(["token", "revoke", "reader"]);
  await assert.rejects(s3.send(new ListObjectsV2Command({ Bucket: "box" })), named("InvalidAccessKeyId"));
  s3.destroy();
});
