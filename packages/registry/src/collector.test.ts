import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ACCOUNT,
  keysOf,
  OCI_INDEX,
  OCI_MANIFEST,
  pushBlob,
  pushImage,
  putManifest,
  startRegistry,
  type TestRegistry,
} from "./fixture-registry.js";

const APP = `${ACCOUNT}/app`;

test("what no image needs is collected, and everything else stays", async () => {
  const deployed = new Set<string>();
  await using on = await startRegistry({ gracePeriodMs: 0, inUse: async () => deployed });
  const tagged = await pushImage(on, APP, { reference: "v1" });
  const subject = { mediaType: OCI_MANIFEST, digest: tagged.digest, size: tagged.size };
  const signature = await pushImage(on, APP, { extra: { subject } });
  const inIndex = await pushImage(on, APP);
  const platform = { os: "linux", architecture: "amd64" };
  const index = JSON.stringify({
    schemaVersion: 2,
    manifests: [{ mediaType: OCI_MANIFEST, digest: inIndex.digest, size: inIndex.size, platform }],
  });
  assert.equal((await putManifest(on, APP, "multi", index, OCI_INDEX)).status, 201);
  const running = await pushImage(on, APP);
  deployed.add(running.digest);
  const shared = await pushImage(on, APP, { reference: "deleted" });
  assert.equal((await mount(on, `${ACCOUNT}/two`, shared.layers[0])).status, 201);
  await pushBlob(on, APP, Buffer.from("never used"));
  await on.request(`${APP}/manifests/deleted`, { method: "DELETE" });

  // As wrangler asks for it.
  const answer = await on.request("gc/layers", { method: "PUT" });
  assert.equal(answer.status, 200);
  // The image's three blobs and the one never used; four links to the blobs (one in the second repository), and the manifest's own.
  const { collected } = (await answer.json()) as { collected: { manifests: number; links: number; blobs: number; bytes: number } };
  assert.deepEqual({ ...collected, bytes: collected.bytes > 100 }, { manifests: 1, links: 4, blobs: 4, bytes: true });

  for (const { digest, config, layers } of [tagged, signature, inIndex, running]) {
    assert.equal((await on.request(`${APP}/manifests/${digest}`)).status, 200);
    for (const blob of [config, ...layers]) assert.equal((await on.request(`${APP}/blobs/${blob}`)).status, 200);
  }
  assert.equal((await on.request(`${APP}/manifests/${shared.digest}`)).status, 404);
  assert.deepEqual(await keysOf(on.bucket, `registry/repositories/${ACCOUNT}/two/`), []);
  const before = await keysOf(on.bucket, "");
  await on.registry.cleanUp();
  assert.deepEqual(await keysOf(on.bucket, ""), before);
});

test("while nobody says what is deployed, untagged images stay", async () => {
  await using on = await startRegistry({ gracePeriodMs: 0 });
  const image = await pushImage(on, APP, { reference: "v1" });
  await on.request(`${APP}/manifests/v1`, { method: "DELETE" });
  await on.registry.cleanUp();
  assert.equal((await on.request(`${APP}/blobs/${image.layers[0]}`)).status, 200);
});

test("a push that goes on while garbage is collected loses nothing", async () => {
  await using on = await startRegistry({ inUse: async () => [] });
  const { digest } = await pushBlob(on, APP);
  await pushImage(on, APP);
  const before = await keysOf(on.bucket, "");
  const answer = await on.request("gc/layers", { method: "PUT" });
  assert.deepEqual(await answer.json(), { collected: { manifests: 0, links: 0, blobs: 0, bytes: 0 } });
  assert.deepEqual(await keysOf(on.bucket, ""), before);
  assert.equal((await on.request(`${APP}/blobs/${digest}`)).status, 200);
});

test("only who may push may collect", async () => {
  await using on = await startRegistry();
  assert.equal((await on.request("gc/layers", { method: "PUT", user: "reader" })).status, 403);
});

function mount(on: TestRegistry, to: string, digest = ""): Promise<Response> {
  return on.request(`${to}/blobs/uploads/?mount=${digest}&from=${APP}`, { method: "POST" });
}
