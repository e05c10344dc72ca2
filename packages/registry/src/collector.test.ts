import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  ACCOUNT,
  digestOf,
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
  await using on = await startRegistry({ gracePeriodMs: 0, inUse: async () => ({ deployed, remembered: new Set() }) });
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
  await using on = await startRegistry({ inUse: async () => ({ deployed: new Set(), remembered: new Set() }) });
  const { digest } = await pushBlob(on, APP);
  await pushImage(on, APP);
  const before = await keysOf(on.bucket, "");
  const answer = await on.request("gc/layers", { method: "PUT" });
  assert.deepEqual(await answer.json(), { collected: { manifests: 0, links: 0, blobs: 0, bytes: 0 } });
  assert.deepEqual(await keysOf(on.bucket, ""), before);
  assert.equal((await on.request(`${APP}/blobs/${digest}`)).status, 200);
});

test("what somebody may go back to stays when its tag has moved, and goes when its tag was deleted", async () => {
  const remembered = new Set<string>();
  await using on = await startRegistry({ gracePeriodMs: 0, inUse: async () => ({ deployed: new Set(), remembered }) });
  const moved = await pushImage(on, APP, { reference: "latest" });
  await pushImage(on, APP, { reference: "latest" });
  const deleted = await pushImage(on, APP, { reference: "old" });
  const again = await pushImage(on, APP, { reference: "again" });
  for (const { digest } of [moved, deleted, again]) remembered.add(digest);
  for (const tag of ["old", "again"]) assert.equal((await on.request(`${APP}/manifests/${tag}`, { method: "DELETE" })).status, 202);
  assert.equal((await putManifest(on, APP, "once-more", again.manifest)).status, 201);
  await on.registry.cleanUp();
  const status = async (reference: string) => (await on.request(`${APP}/manifests/${reference}`)).status;
  assert.deepEqual([await status(moved.digest), await status(deleted.digest), await status(again.digest)], [200, 404, 200]);
  assert.equal((await on.request(`${APP}/manifests/once-more`, { method: "DELETE" })).status, 202);
  await on.registry.cleanUp();
  assert.equal(await status(again.digest), 404);
  assert.deepEqual(await keysOf(on.bucket, `registry/repositories/${APP}/_discarded/`), []);
});

test("a push that takes longer than a grace period keeps what it began with", async () => {
  await using on = await startRegistry({ gracePeriodMs: 3_000, inUse: async () => ({ deployed: new Set(), remembered: new Set() }) });
  await pushBlob(on, APP, Buffer.from("nobody goes on with this"));
  const other = `${ACCOUNT}/other`;
  await pushBlob(on, other, Buffer.from("nor with this"));
  const config = await pushBlob(on, APP, Buffer.from('{"os":"linux","architecture":"amd64"}'));
  const large = randomBytes(40);
  const begun = await on.request(`${APP}/blobs/uploads/`, { method: "POST" });
  const slowly = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const byte of large) {
        controller.enqueue(Uint8Array.of(byte));
        await delay(100);
        await on.registry.cleanUp();
      }
      controller.close();
    },
  });
  const location = `${begun.headers.get("location")}?digest=${digestOf(large)}`;
  assert.equal((await on.request(location, { method: "PUT", body: slowly, duplex: "half" } as RequestInit)).status, 201);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: digestOf(large), size: large.length }],
  });
  assert.equal((await putManifest(on, APP, "v1", manifest)).status, 201);
  assert.deepEqual(await keysOf(on.bucket, `registry/repositories/${other}/`), [], "garbage was collected meanwhile");
});

test("only who may push may collect", async () => {
  await using on = await startRegistry();
  assert.equal((await on.request("gc/layers", { method: "PUT", user: "reader" })).status, 403);
});

function mount(on: TestRegistry, to: string, digest = ""): Promise<Response> {
  return on.request(`${to}/blobs/uploads/?mount=${digest}&from=${APP}`, { method: "POST" });
}
