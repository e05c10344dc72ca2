import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { LongshoreError } from "@longshore/contract";
import { tarOf } from "../../testing/tar-bytes.js";
import { LocalImages } from "./local-images.js";

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** An OCI layout of an image with one layer, whose bytes may be left out. */
async function* layout(name: string, layer: Buffer, leaveOut: boolean): AsyncGenerator<Buffer> {
  const zipped = gzipSync(layer);
  const config = json({ architecture: "amd64", os: "linux", created: name, rootfs: { type: "layers", diff_ids: [digestOf(layer)] } });
  const part = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const manifest = json({ schemaVersion: 2, config: part("config", config), layers: [part("layer", zipped)] });
  const index = json({ manifests: [{ ...part("manifest", manifest), annotations: { "io.containerd.image.name": name } }] });
  const blobs = [manifest, config, ...(leaveOut ? [] : [zipped])];
  const files = blobs.map((bytes) => ({ name: `blobs/sha256/${digestOf(bytes).slice("sha256:".length)}`, body: bytes }));
  yield tarOf({ name: "index.json", body: index }, ...files);
}

test("an archive may leave out a layer that is here, and no other", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-local-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const images = await LocalImages.open(directory);
  const layer = tarOf({ name: "file", body: "content" });
  assert.equal(await images.layer(digestOf(layer)), undefined);
  await assert.rejects(
    images.load(layout("app:1", layer, true)),
    (error) => error instanceof LongshoreError && error.code === "INVALID_INPUT",
  );

  await images.load(layout("app:1", layer, false));
  assert.equal((await images.layer(digestOf(layer)))?.digest, digestOf(gzipSync(layer)));
  const [second] = await images.load(layout("app:2", layer, true));
  await images.remove("app:1");
  const kept = await images.blob(digestOf(gzipSync(layer)));
  assert.ok(kept !== undefined, "it is the second image's now");
  assert.deepEqual(await buffer(kept), gzipSync(layer));
  assert.deepEqual(second?.names, ["app:2"]);
});
