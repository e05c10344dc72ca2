import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { LongshoreError } from "@longshore/contract";
import { MemoryImageSource } from "../../testing/image-source.js";
import { type TarEntry, tarOf } from "../../testing/tar-bytes.js";
import { ImageStore } from "../store.js";
import { LocalImages } from "./local-images.js";
import { localName } from "./name.js";
import { withLocalImages } from "./with-local.js";

const hex = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "longshore-local-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function* chunks(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function configOf(layers: readonly Buffer[], platform = "amd64"): Buffer {
  return json({ architecture: platform, os: "linux", rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${hex(layer)}`) } });
}

/** What `docker save` wrote for many years. */
function dockerArchive(names: readonly string[], text: string, ...more: TarEntry[]): Buffer {
  const layer = tarOf({ name: "file", body: text });
  const config = configOf([layer, layer]);
  return tarOf(
    { name: "aa/layer.tar", body: layer },
    { name: "bb/layer.tar", type: "2", link: "../aa/layer.tar" },
    { name: `${hex(config)}.json`, body: config },
    { name: "manifest.json", body: json([{ Config: `${hex(config)}.json`, RepoTags: names, Layers: ["aa/layer.tar", "bb/layer.tar"] }]) },
    ...more,
  );
}

/** An OCI layout with an index of two platforms. */
function layoutArchive(name: string): Buffer {
  const layer = tarOf({ name: "other", body: "text" });
  const zipped = gzipSync(layer);
  const blobs: Buffer[] = [zipped];
  const descriptor = (bytes: Buffer) => {
    blobs.push(bytes);
    return { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: `sha256:${hex(bytes)}`, size: bytes.length };
  };
  const manifest = (platform: string) =>
    descriptor(json({ schemaVersion: 2, config: descriptor(configOf([layer], platform)), layers: [{ ...descriptor(zipped) }] }));
  const index = json({
    schemaVersion: 2,
    manifests: [
      { ...manifest("arm64"), platform: { os: "linux", architecture: "arm64" } },
      { ...manifest("amd64"), platform: { os: "linux", architecture: "amd64" } },
    ],
  });
  return tarOf(
    { name: "oci-layout", body: '{"imageLayoutVersion":"1.0.0"}' },
    { name: "index.json", body: json({ manifests: [{ ...descriptor(index), annotations: { "io.containerd.image.name": name } }] }) },
    ...blobs.map((body) => ({ name: `blobs/sha256/${hex(body)}`, body })),
  );
}

test("names have one form", () => {
  assert.equal(localName("docker.io/library/node:20"), "node:20");
  assert.equal(localName("docker.io/acc/web"), "acc/web:latest");
  assert.equal(localName("localhost:5000/a/b"), "localhost:5000/a/b:latest");
  for (const wrong of ["", "A", "a b", "../x", "a:b:c", `a@sha256:${"0".repeat(64)}`])
    assert.throws(() => localName(wrong), LongshoreError);
});

test("archives of both forms are loaded, unpacked by the image store, and there again when opened anew", async (t) => {
  const directory = place(t);
  const local = await LocalImages.open(directory);
  const [docker] = await local.load(chunks(dockerArchive(["docker.io/library/app:1", "app:2"], "hello")));
  const [layout] = await local.load(chunks(layoutArchive("docker.io/acc/other:latest"), 333));
  assert.deepEqual(docker?.names, ["app:1", "app:2"]);
  assert.deepEqual(layout?.names, ["acc/other:latest"]);
  const again = await LocalImages.open(directory);
  assert.deepEqual(again.list(), local.list());
  assert.equal(again.find("acc/other")?.digest, layout?.digest);
  assert.equal(again.find(docker?.digest.slice(7, 19) ?? "")?.digest, docker?.digest);
  const images = await ImageStore.open(place(t), withLocalImages(again, new MemoryImageSource()));
  for (const image of again.list()) {
    const prepared = await images.prepare(again.reference(image));
    assert.equal(prepared.digest, image.digest);
  }
  await assert.rejects(images.prepare("app:1"), (error) => error instanceof LongshoreError && error.code === "NOT_FOUND");
  await images.settled();
});

test("names move, the image that lost its last one goes, and so do parts that no image has", async (t) => {
  const directory = place(t);
  const local = await LocalImages.open(directory);
  const [first] = await local.load(chunks(dockerArchive(["app:1"], "first")));
  const files = () => readdirSync(join(directory, "blobs")).length;
  assert.equal(files(), 3);
  const [second] = await local.load(chunks(dockerArchive(["app:1"], "second")));
  assert.equal(local.find(first?.digest ?? ""), undefined);
  assert.equal(files(), 3);
  await local.tag("app:1", "copy:latest");
  assert.deepEqual(
    local.list().map(({ names }) => names),
    [["app:1", "copy:latest"]],
  );
  await assert.rejects(local.remove(second?.digest ?? ""), (error) => error instanceof LongshoreError && error.code === "CONFLICT");
  assert.deepEqual(await local.remove("app:1"), { untagged: ["app:1"], deleted: undefined });
  await assert.rejects(local.remove("copy", { usedBy: () => "somebody" }), /used by somebody/);
  assert.deepEqual(await local.remove("copy"), { untagged: ["copy:latest"], deleted: second?.digest });
  assert.equal(files(), 0);
  const [nameless] = await local.load(chunks(dockerArchive([], "third")));
  await local.load(chunks(dockerArchive(["x"], "fourth")));
  assert.equal(local.list().length, 2);
  assert.equal((await local.remove(nameless?.digest ?? "")).deleted, nameless?.digest);
});

test("what is damaged, foreign or no archive is refused, and leaves nothing", async (t) => {
  const directory = place(t);
  const local = await LocalImages.open(directory);
  const refused = async (bytes: Buffer, code: string) =>
    await assert.rejects(local.load(chunks(bytes)), (error) => {
      assert.ok(error instanceof LongshoreError, String(error));
      assert.equal(error.code, code, error.message);
      return true;
    });
  const config = configOf([], "arm64");
  await refused(Buffer.from("no archive".repeat(1000)), "INVALID_INPUT");
  await refused(tarOf({ name: "file", body: "x" }), "INVALID_INPUT");
  await refused(tarOf({ name: "manifest.json", body: json([{ Config: "../../../etc/passwd", Layers: [] }]) }), "INVALID_INPUT");
  await refused(tarOf({ name: "c", body: config }, { name: "manifest.json", body: json([{ Config: "c", Layers: [] }]) }), "UNSUPPORTED");
  await refused(dockerArchive(["a"], "x").subarray(0, 2000), "INVALID_INPUT");
  await refused(tarOf({ name: "manifest.json", type: "2", link: "manifest.json" }), "INVALID_INPUT");
  const wrong = layoutArchive("a:1");
  wrong.write("text", wrong.lastIndexOf("amd64"), "latin1");
  await assert.rejects(local.load(chunks(wrong)));
  assert.deepEqual([...readdirSync(join(directory, "blobs")), ...readdirSync(join(directory, "arriving"))], []);
  assert.deepEqual(local.list(), []);
});

test("a crash leaves the old state: what was arriving and what nobody names is swept, an image without its parts is forgotten", async (t) => {
  const directory = place(t);
  const local = await LocalImages.open(directory);
  const [kept] = await local.load(chunks(dockerArchive(["kept"], "kept")));
  const [broken] = await local.load(chunks(dockerArchive(["broken"], "broken")));
  writeFileSync(join(directory, "blobs", "0".repeat(64)), "linked, not named yet");
  writeFileSync(join(directory, "arriving", "half"), "half");
  writeFileSync(join(directory, "index.json.partial"), "{");
  rmSync(join(directory, "blobs", broken?.blobs[1]?.slice(7) ?? ""));
  const again = await LocalImages.open(directory);
  assert.deepEqual(
    again.list().map(({ names }) => names),
    [["kept:latest"]],
  );
  assert.deepEqual(readdirSync(join(directory, "blobs")).sort(), kept?.blobs.map((digest) => digest.slice(7)).sort());
  assert.deepEqual(readdirSync(join(directory, "arriving")), []);
});

test("an image is copied from another source, once, with its progress told", async (t) => {
  const local = await LocalImages.open(place(t));
  const others = new MemoryImageSource();
  const digest = others.add("acc/web:1");
  const told: number[] = [];
  const image = await local.copy(others, "acc/web:1", "acc/web:1", (_layer, bytes) => told.push(bytes));
  assert.equal(image.digest, digest);
  assert.ok((told.at(-1) ?? 0) > 100_000);
  const stream = await local.blob(image.blobs[2] ?? "");
  assert.ok(stream !== undefined && (await buffer(stream)).length === told.at(-1));
  await assert.rejects(local.copy(others, "acc/none:1", "x"), (error) => error instanceof LongshoreError && error.code === "NOT_FOUND");
});
