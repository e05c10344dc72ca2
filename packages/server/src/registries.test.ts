import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { DirectoryBucket } from "@longshore/bucket";
import { LongshoreError } from "@longshore/contract";
import { RegistryImageSource } from "@longshore/engine";
import { createRegistry, listenTlsAndPlain } from "@longshore/registry";
import { createCertificate } from "./installation/certificate.js";
import { readRegistries, registriesSchema } from "./registries.js";

const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

test("an image is pulled from a real registry over TLS, with the password and the certificate from files", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-registries-"));
  const tls = await createCertificate();
  const registry = createRegistry({
    bucket: await DirectoryBucket.open(join(directory, "bucket")),
    uploadsDirectory: join(directory, "uploads"),
    authorize: async (username, password) =>
      username === "me" && password === "secret" ? { repositoryPrefix: undefined, push: true, pull: true } : undefined,
    log: () => undefined,
  });
  const listening = await listenTlsAndPlain({
    host: "127.0.0.1",
    port: 0,
    tls,
    handler: (request, response) => registry.handle(request, response),
  });
  t.after(async () => {
    await listening.close();
    await registry[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });
  const host = `localhost:${listening.port}`;
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }));
  const manifest = await push(`http://127.0.0.1:${listening.port}/v2/team/app`, config);

  writeFileSync(join(directory, "password"), "secret\n");
  writeFileSync(join(directory, "ca.pem"), tls.cert);
  const pull = async (settings: Record<string, unknown>, name: string) => {
    const registries = readRegistries(registriesSchema.parse({ [host]: settings }));
    await using source = await RegistryImageSource.open({ directory: join(directory, name), registries });
    const found = await source.manifest(`${host}/team/app:1`);
    const blob = await source.blob(sha256(config), `${host}/team/app:1`);
    return { digest: found?.digest, config: blob === undefined ? undefined : await buffer(blob) };
  };
  const files = { username: "me", passwordFile: join(directory, "password"), ca: join(directory, "ca.pem") };
  assert.deepEqual(await pull(files, "a"), { digest: sha256(manifest), config });
  assert.deepEqual(await pull({ username: "me", password: "secret", insecure: true }, "b"), { digest: sha256(manifest), config });
  const fails = (code: string) => (error: unknown) => error instanceof LongshoreError && error.code === code;
  await assert.rejects(pull({ ca: join(directory, "ca.pem") }, "c"), fails("UNAUTHORIZED"));
  await assert.rejects(pull({ username: "me", password: "secret" }, "d"), fails("UNAVAILABLE"));
  assert.throws(() => readRegistries({ [host]: { username: "me", passwordFile: "/no/such/file" } }), fails("INVALID_INPUT"));
});

test("settings that contradict each other are refused", () => {
  assert.ok(!registriesSchema.safeParse({ "r.example": { username: "me" } }).success);
  assert.ok(!registriesSchema.safeParse({ "r.example": { username: "me", password: "x", passwordFile: "y" } }).success);
  assert.ok(!registriesSchema.safeParse({ "https://r.example": {} }).success);
  assert.ok(!registriesSchema.safeParse({ "r.example": { user: "me" } }).success);
  const key = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "x" };
  for (const wrong of [
    { accessKeyId: "AKIDEXAMPLE" },
    { ...key, secretAccessKeyFile: "y" },
    { ...key, username: "me", password: "x" },
    { region: "eu-central-1" },
    { ...key, endpoint: "not a URL" },
  ]) {
    assert.ok(!registriesSchema.safeParse({ "r.example": wrong }).success, JSON.stringify(wrong));
  }
  assert.deepEqual(readRegistries(registriesSchema.parse({ "r.example": { ...key, region: "eu-central-1" } })), {
    "r.example": { aws: { ...key, region: "eu-central-1" } },
  });
});

/** Pushes an image without layers; returns its manifest. */
async function push(repository: string, config: Buffer): Promise<Buffer> {
  const headers = { authorization: `Basic ${Buffer.from("me:secret").toString("base64")}` };
  const blob = await fetch(`${repository}/blobs/uploads/?digest=${sha256(config)}`, {
    method: "POST",
    headers,
    body: new Uint8Array(config),
  });
  assert.equal(blob.status, 201, await blob.text());
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest: sha256(config), size: config.length };
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [] }));
  const put = await fetch(`${repository}/manifests/1`, {
    method: "PUT",
    headers: { ...headers, "content-type": mediaType },
    body: new Uint8Array(manifest),
  });
  assert.equal(put.status, 201, await put.text());
  return manifest;
}
