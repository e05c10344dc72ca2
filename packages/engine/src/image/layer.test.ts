import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { LongshoreError } from "@longshore/contract";
import { type TarEntry, tarOf } from "../testing/tar-bytes.js";
import { attributeNames } from "../testing/xattrs.js";
import { extractLayer } from "./layer.js";

const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

interface Place {
  /** The layer's directory. */
  readonly layer: string;
  /** A file of the host beside it that must stay as it is. */
  readonly victim: string;
}

function place(t: TestContext): Place {
  const directory = mkdtempSync(join(tmpdir(), "longshore-layer-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, "layer"), { mode: 0o755 });
  writeFileSync(join(directory, "victim"), "untouched");
  return { layer: join(directory, "layer"), victim: join(directory, "victim") };
}

interface Limits {
  readonly blob?: Buffer;
  readonly size?: number;
  readonly digest?: string;
  readonly maxBytes?: number;
  readonly maxEntries?: number;
}

async function unpack({ layer }: Place, archive: Buffer, limits: Limits = {}) {
  const { blob = archive, maxBytes = 1e9, maxEntries = 10_000 } = limits;
  const job = {
    directory: layer,
    digest: limits.digest ?? sha256(blob),
    size: limits.size ?? blob.length,
    diffId: sha256(archive),
    maxBytes,
    maxEntries,
  };
  return await extractLayer(Readable.from([blob]), job, AbortSignal.timeout(120_000));
}

async function refuses(where: Place, entries: TarEntry[], code: string, message: RegExp): Promise<void> {
  await assert.rejects(unpack(where, tarOf(...entries)), (error) => {
    assert.ok(error instanceof LongshoreError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
  assert.equal(readFileSync(where.victim, "utf8"), "untouched");
}

test("gzip, zstd and plain layers: modes, owners, times, links, set-uid, capabilities, names that are not text", async (t) => {
  const capability = Buffer.from("0100000200040000000000000000000000000000", "hex").toString("latin1");
  const archive = tarOf(
    { name: "./", type: "5", mode: 0o755 },
    { name: "dir/", type: "5", mode: 0o1777, uid: 7, gid: 8, mtime: 1_000 },
    { name: "dir/su", body: "program", mode: 0o4755, uid: 1000, gid: 1001, mtime: 2_000 },
    { name: "cap", body: "x", mode: 0o755, pax: { "SCHILY.xattr.security.capability": capability, "SCHILY.xattr.user.note": "" } },
    { name: "hard", type: "1", link: "dir/su" },
    { name: "soft", type: "2", link: "/etc/passwd" },
    { name: "line\nbreak\xff", body: "odd" },
    { name: "short", pax: { path: `${"long/".repeat(60)}name`, mtime: "1500.5" }, body: "deep" },
    { name: "pipe", type: "6" },
    { name: "null", type: "3" },
    { name: "null2", type: "1", link: "null" },
  );
  const zstd = execFileSync("zstd", ["-q"], { input: archive });
  for (const blob of [archive, gzipSync(archive), zstd]) {
    const where = place(t);
    const result = await unpack(where, archive, { blob });
    assert.deepEqual(result, { bytes: archive.length, entries: 11, droppedDevices: 2 });
    const su = lstatSync(join(where.layer, "dir/su"));
    assert.deepEqual([su.mode & 0o7777, su.uid, su.gid, su.mtimeMs, su.nlink], [0o4755, 1000, 1001, 2_000_000, 2]);
    const dir = lstatSync(join(where.layer, "dir"));
    assert.deepEqual([dir.mode & 0o7777, dir.uid, dir.gid, dir.mtimeMs], [0o1777, 7, 8, 1_000_000]);
    assert.equal(readlinkSync(join(where.layer, "soft")), "/etc/passwd");
    assert.deepEqual(attributeNames(join(where.layer, "cap")), ["security.capability", "user.note"]);
    assert.ok(readdirSync(where.layer, { encoding: "buffer" }).some((name) => name.equals(Buffer.from("line\nbreak\xff", "latin1"))));
    const deep = join(where.layer, `${"long/".repeat(60)}name`);
    assert.equal(readFileSync(deep, "utf8"), "deep");
    assert.equal(lstatSync(deep).mtimeMs, 1_500_500);
    assert.ok(lstatSync(join(where.layer, "pipe")).isFIFO());
    assert.ok(!readdirSync(where.layer).some((name) => name.startsWith("null")));
  }
});

test("whiteouts become the overlay's marks, and speak of the layers below only", async (t) => {
  const where = place(t);
  await unpack(
    where,
    tarOf(
      { name: "a/", type: "5" },
      { name: "a/.wh.gone" },
      { name: "own", body: "stays" },
      { name: ".wh.own" },
      { name: "kept/", type: "5" },
      { name: "kept/file", body: "1" },
      { name: ".wh.kept" },
      { name: ".wh.later" },
      { name: "later/", type: "5" },
      { name: ".wh.file" },
      { name: "file", body: "new" },
      { name: "b/", type: "5" },
      { name: "b/.wh..wh..opq" },
      { name: "b/.wh..wh.plnk" },
    ),
  );
  const gone = lstatSync(join(where.layer, "a/gone"));
  assert.ok(gone.isCharacterDevice() && gone.rdev === 0);
  assert.equal(readFileSync(join(where.layer, "own"), "utf8"), "stays");
  assert.equal(readFileSync(join(where.layer, "file"), "utf8"), "new");
  assert.equal(readFileSync(join(where.layer, "kept/file"), "utf8"), "1");
  for (const [name, opaque] of [
    ["a", false],
    ["b", true],
    ["kept", true],
    ["later", true],
  ] as const) {
    assert.deepEqual(attributeNames(join(where.layer, name)), opaque ? ["trusted.overlay.opaque"] : [], name);
  }
  assert.deepEqual(readdirSync(join(where.layer, "b")), []);
});

test("nothing leads out of the layer", async (t) => {
  const where = place(t);
  const evil = { body: "evil" };
  for (const name of ["../victim", "/../victim", "a/../../victim", "..", "a/.."])
    await refuses(where, [{ name, ...evil }], "INVALID_INPUT", /leads out of the layer/);
  await refuses(where, [{ name: "x", type: "1", link: "../victim" }], "INVALID_INPUT", /leads out of the layer/);
  await refuses(where, [{ name: "x", pax: { path: "../victim" }, ...evil }], "INVALID_INPUT", /leads out of the layer/);
  await refuses(where, [{ name: "x", pax: { path: "a\0/../victim" }, ...evil }], "INVALID_INPUT", /zero byte/);
  // A hard link names a file of the layer, never one of the host.
  await refuses(where, [{ name: "x", type: "1", link: where.victim }], "INVALID_INPUT", /does not have/);
  await refuses(where, [{ name: "x", type: "1", link: "/etc/passwd" }], "INVALID_INPUT", /does not have/);
  await refuses(
    where,
    [
      { name: "d/", type: "5" },
      { name: "x", type: "1", link: "d" },
    ],
    "INVALID_INPUT",
    /hard link to a directory/,
  );
  for (const name of [".wh.", ".wh..", ".wh...", "a/.wh..."]) await refuses(where, [{ name }], "INVALID_INPUT", /whiteout of nothing/);
  await refuses(where, [{ name: "/", type: "2", link: "/etc" }], "INVALID_INPUT", /the layer's root/);
});

test("symbolic links lead where they would lead inside the container", async (t) => {
  const where = place(t);
  const host = where.victim.slice(0, -"/victim".length);
  await unpack(
    where,
    tarOf(
      { name: "up", type: "2", link: "../../../../../../.." },
      { name: `up${host}/victim`, body: "inside" },
      { name: "abs", type: "2", link: host },
      { name: "abs/victim2", body: "inside" },
      { name: "dir/", type: "5" },
      { name: "dir/old", body: "x" },
      // The directory is replaced by a link between two of its entries.
      { name: "dir", type: "2", link: host },
      { name: "dir/victim3", body: "inside" },
      { name: "victim4", type: "2", link: where.victim },
      { name: "victim4", body: "replaces the link" },
      { name: "victim5", type: "2", link: where.victim },
      { name: "victim6", type: "1", link: "victim5" },
      { name: "victim6", body: "replaces the hard link" },
      { name: "self", body: "self" },
      { name: "self", type: "1", link: "./self" },
    ),
  );
  assert.equal(readFileSync(where.victim, "utf8"), "untouched");
  assert.deepEqual(readdirSync(host).sort(), ["layer", "victim"]);
  const inside = readdirSync(join(where.layer, host)).sort();
  assert.deepEqual(inside, ["victim", "victim2", "victim3"]);
  assert.equal(readFileSync(join(where.layer, "self"), "utf8"), "self");
  await refuses(
    where,
    [{ name: "l", type: "2", link: "m" }, { name: "m", type: "2", link: "l" }, { name: "l/x" }],
    "INVALID_INPUT",
    /without an end/,
  );
  await refuses(where, [{ name: "file" }, { name: "file/x" }], "INVALID_INPUT", /cannot be made/);
});

test("orders to the overlay file system are not taken from an image", async (t) => {
  const where = place(t);
  const attributes = {
    "trusted.overlay.opaque": "y",
    "trusted.overlay.redirect": "/../../etc",
    "user.overlay.whiteout": "y",
    "security.selinux": "x",
  };
  const pax = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`SCHILY.xattr.${name}`, value]));
  await unpack(where, tarOf({ name: "d/", type: "5", pax }, { name: "f", pax }));
  for (const name of ["d", "f"]) {
    assert.deepEqual(attributeNames(join(where.layer, name)), []);
  }
});

test("bombs stop early: length, number of files, blobs longer than promised", async (t) => {
  const where = place(t);
  const huge = tarOf({ name: "zeros", body: Buffer.alloc(64 * 1024 * 1024) });
  await assert.rejects(
    unpack(where, huge, { blob: gzipSync(huge), maxBytes: 1_000_000 }),
    (error) => error instanceof LongshoreError && error.code === "TOO_LARGE",
  );
  assert.ok((lstatSync(join(where.layer, "zeros"), { throwIfNoEntry: false })?.size ?? 0) <= 1_000_000);
  const many = Array.from({ length: 500 }, (_, n) => ({ name: `f${n}` }));
  await assert.rejects(
    unpack(place(t), tarOf(...many), { maxEntries: 100 }),
    (error) => error instanceof LongshoreError && error.code === "TOO_LARGE",
  );
  assert.equal((await unpack(place(t), tarOf(...many))).entries, 500);
  const small = tarOf({ name: "f" });
  await assert.rejects(unpack(place(t), small, { size: 100 }), /more than the 100 bytes/);
  await refuses(where, [{ name: "a", pax: { path: `${"d/".repeat(1_900)}x` } }], "INVALID_INPUT", /too long a path/);
  await refuses(where, [{ name: "x".repeat(90), pax: { path: "y".repeat(300) } }], "INVALID_INPUT", /cannot be made/);
});

test("damage is told from malice, and from the disk", async (t) => {
  const where = place(t);
  const archive = tarOf({ name: "f", body: "content" });
  await assert.rejects(unpack(where, archive, { digest: `sha256:${"0".repeat(64)}` }), /its blob is sha256:/);
  await assert.rejects(unpack(where, archive, { blob: tarOf({ name: "g" }) }), /it unpacks to sha256:/);
  await assert.rejects(unpack(where, archive, { blob: gzipSync(archive).subarray(0, 40) }), /compression is damaged/);
  await assert.rejects(
    unpack(where, archive, { blob: execFileSync("zstd", ["-q"], { input: archive }).subarray(0, 40) }),
    /compression is damaged/,
  );
  await assert.rejects(unpack(where, Buffer.from("no archive at all".repeat(100))), /not a tar archive/);
  await refuses(where, [{ name: "f", size: 5_000 }], "INVALID_INPUT", /ends in the middle of a file/);
  await refuses(where, [{ name: "s", pax: { "GNU.sparse.major": "1" } }], "INVALID_INPUT", /sparse/);
  await refuses(where, [{ name: "s", type: "S" }], "INVALID_INPUT", /sparse/);
  await refuses(where, [{ name: "u", pax: { uid: "4294967295" } }], "INVALID_INPUT", /cannot exist/);
  await refuses(where, [{ name: "q", type: "Q" }], "INVALID_INPUT", /unknown type/);
  assert.deepEqual(await unpack(place(t), Buffer.alloc(0)), { bytes: 0, entries: 0, droppedDevices: 0 });
});
