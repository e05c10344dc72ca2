import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { instanceSize, LongshoreError } from "@longshore/contract";
import { MemoryImageSource } from "../testing/image-source.js";
import { tarOf } from "../testing/tar-bytes.js";
import { prepareFor } from "./fit.js";
import { ImageStore } from "./store.js";

const NOBODY = { digests: new Set<string>(), references: new Set<string>() };
const layer = (name: string, size = 10) => tarOf({ name, body: Buffer.alloc(size, name) });

interface Harness {
  readonly directory: string;
  readonly source: MemoryImageSource;
  open(maxBytes?: number): Promise<ImageStore>;
  layers(): string[];
}

function harness(t: TestContext): Harness {
  const directory = mkdtempSync(join(tmpdir(), "longshore-images-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const source = new MemoryImageSource();
  return {
    directory,
    source,
    open: (maxBytes) => ImageStore.open(directory, source, maxBytes),
    layers: () => readdirSync(join(directory, "layers")).filter((name) => !name.endsWith(".json")),
  };
}

function fails(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof LongshoreError, String(error));
    assert.equal(error.code, code);
    assert.match(error.text, message);
    return true;
  };
}

test("layers are shared, and a digest that is known needs no source", async (t) => {
  const { source, open, layers, directory } = harness(t);
  source.add("acc/a:1", { layers: [layer("base"), layer("a")] });
  const digest = source.add("acc/b:1", { layers: [layer("base"), layer("b")] });
  const store = await open();
  const [a, b] = await Promise.all([store.prepare("acc/a:1"), store.prepare("acc/b:1"), store.prepare("acc/b:1")]);
  assert.equal(a.layers[0], b.layers[0]);
  assert.equal(layers().length, 3);
  assert.equal(statSync(join(directory, "layers")).mode & 0o777, 0o700);
  await store.prepare(`acc/b@${digest}`);
  const away = await ImageStore.open(directory, {
    manifest: () => Promise.reject(new Error("away")),
    blob: () => Promise.reject(new Error("away")),
  });
  assert.deepEqual(await away.prepare(`acc/b@${digest}`), b);
  await assert.rejects(away.prepare("acc/b:1"), /away/);
});

test("of an index, linux/amd64 is taken; others are refused by name; docker's media types are fine", async (t) => {
  const { source, open } = harness(t);
  const digest = source.add("acc/a:1", { layers: [layer("a")] });
  const entry = (architecture: string, of = digest) => ({
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    digest: of,
    size: 1,
    platform: { architecture, os: "linux" },
  });
  source.addDocument("acc/multi:1", {
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.list.v2+json",
    manifests: [entry("arm64", `sha256:${"1".repeat(64)}`), entry("amd64")],
  });
  source.addDocument("acc/arm:1", { schemaVersion: 2, manifests: [entry("arm64"), entry("riscv64")] });
  const store = await open();
  assert.equal((await store.prepare("acc/multi:1")).digest, digest);
  await assert.rejects(store.prepare("acc/arm:1"), fails("UNSUPPORTED", /linux\/arm64, linux\/riscv64.*--platform linux\/amd64/));
});

test("an image that is too large is stopped while it unpacks, and what was begun is removed", async (t) => {
  const { source, open, layers } = harness(t);
  source.add("acc/bomb:1", { layers: [layer("small"), layer("bomb", 50_000_000)] });
  const store = await open(20_000_000);
  await assert.rejects(store.prepare("acc/bomb:1"), fails("TOO_LARGE", /more than 20 MB/));
  assert.equal(layers().length, 1);
  assert.equal(await store.collect(NOBODY, -1_000), 1);
  source.add("acc/evil:1", { layers: [tarOf({ name: "../../escape", body: "x" })] });
  await assert.rejects(store.prepare("acc/evil:1"), fails("INVALID_INPUT", /"..\/..\/escape" leads out of the layer/));
  assert.deepEqual(layers(), []);
});

test("an image that does not fit on its instances' disk is refused with the type that would do", async (t) => {
  const { source, open } = harness(t);
  source.add("acc/big:1", { layers: [layer("big", 3_000_000)] });
  const store = await open();
  await store.prepare("acc/big:1");
  const containerClass = { image: "acc/big:1", size: { ...instanceSize("lite"), diskMb: 2 } } as Parameters<typeof prepareFor>[1];
  await assert.rejects(
    prepareFor(store, containerClass),
    fails("TOO_LARGE", /takes 4 MB unpacked, more than the instance's disk of 2 MB.*"lite"/),
  );
});

test("images that nobody uses go after their grace, layers that others have stay", async (t) => {
  const { source, open, layers, directory } = harness(t);
  source.add("acc/a:1", { layers: [layer("base"), layer("a")] });
  source.add("acc/b:1", { layers: [layer("base"), layer("b")] });
  let store = await open();
  const a = await store.prepare("acc/a:1");
  const b = await store.prepare("acc/b:1");
  assert.equal(await store.collect(NOBODY, 60_000), 0);
  assert.equal(await store.collect({ digests: new Set([a.digest]), references: new Set(["acc/b:1"]) }, -1_000), 0);
  store = await open();
  assert.equal(await store.collect({ digests: new Set([a.digest]), references: new Set() }, -1_000), 1);
  assert.deepEqual(layers().sort(), [...a.layers].sort());
  assert.equal(store.prepared(b.digest), undefined);
  assert.equal((await (await open()).prepare("acc/b:1")).digest, b.digest);
  // A tag that names another image now does not keep the old one.
  store = await open();
  source.add("acc/a:1", { layers: [layer("new")] });
  await store.prepare("acc/a:1");
  await store.collect({ digests: new Set(), references: new Set(["acc/a:1"]) }, -1_000);
  assert.equal(layers().length, 1);
  assert.equal(readdirSync(join(directory, "images")).length, 1);
});

test("one image under many names, all asked for at once, keeps every name", async (t) => {
  const { source, open, directory } = harness(t);
  const names = Array.from({ length: 20 }, (_, index) => `acc/app${index}:1`);
  for (const name of names) source.add(name, { layers: [layer("same")] });
  const store = await open();
  const images = await Promise.all(names.map((name) => store.prepare(name)));
  assert.equal(new Set(images.map(({ digest }) => digest)).size, 1);
  const [record = ""] = readdirSync(join(directory, "images"));
  const { references } = JSON.parse(readFileSync(join(directory, "images", record), "utf8")) as { references: string[] };
  assert.deepEqual(references.sort(), [...names].sort());
});

test("while an image is prepared nothing is collected", async (t) => {
  const { source, open } = harness(t);
  source.add("acc/a:1", { layers: [layer("a"), layer("b")] });
  const store = await open();
  const preparing = store.prepare("acc/a:1");
  for (let round = 0; round < 20; round++) assert.equal(await store.collect(NOBODY, -1_000), 0);
  await preparing;
  assert.equal(await store.collect(NOBODY, -1_000), 2);
});

test("what a killed engine or a power failure left half done is made again", async (t) => {
  const { source, open, layers, directory } = harness(t);
  source.add("acc/a:1", { layers: [layer("a"), layer("b")] });
  const store = await open();
  const image = await store.prepare("acc/a:1");
  await store.settled();
  const note = (name = "") => join(directory, "layers", `${name}.json`);
  const [durable, volatile] = image.layers;
  assert.equal(JSON.parse(readFileSync(note(durable), "utf8")).durable, true);
  writeFileSync(note(volatile), JSON.stringify({ ...JSON.parse(readFileSync(note(volatile), "utf8")), durable: false, boot: "another" }));
  writeFileSync(join(directory, "layers/partial-x"), "half");
  const again = await open();
  assert.deepEqual(layers(), [durable]);
  assert.equal(again.prepared(image.digest), undefined);
  assert.deepEqual(await again.prepare("acc/a:1"), image);
  assert.equal(layers().length, 2);
});

test("two layers whose names agree are not taken for each other", async (t) => {
  const { source, open, directory } = harness(t);
  source.add("acc/a:1", { layers: [layer("a")] });
  const store = await open();
  const image = await store.prepare("acc/a:1");
  await store.settled();
  const note = join(directory, "layers", `${image.layers[0]}.json`);
  const content = JSON.parse(readFileSync(note, "utf8")) as { diffId: string };
  writeFileSync(note, JSON.stringify({ ...content, diffId: `${content.diffId.slice(0, -1)}x` }));
  source.add("acc/b:1", { layers: [layer("a")], config: { Env: ["OTHER=1"] } });
  await assert.rejects((await open()).prepare("acc/b:1"), fails("CONFLICT", /has the same name on this machine/));
});
