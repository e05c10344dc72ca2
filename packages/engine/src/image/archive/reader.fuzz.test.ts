import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import fc from "fast-check";
import { damaged, fuzz } from "../../testing/fuzz.js";
import { tarOf } from "../../testing/tar-bytes.js";
import { LayerTree } from "../unpack/layer-tree.js";
import { ArchiveReader } from "./reader.js";

const bases = [
  tarOf(
    { name: "a", body: "text" },
    { name: "d/", type: "5" },
    { name: "d/link", type: "2", link: "../a" },
    { name: "h", type: "1", link: "a" },
  ),
  tarOf({ name: "short", pax: { path: "long/".repeat(30), size: "3", "SCHILY.xattr.user.x": "v" }, body: "abc" }, { name: ".wh.gone" }),
  tarOf({ name: "././@LongLink", type: "L", body: "n".repeat(300) }, { name: "n", body: Buffer.alloc(700, 7) }, { name: "f", type: "6" }),
];

/** Reads all of it, and finds each entry's place, as unpacking does. */
async function readThrough(archive: Buffer, chunkBytes: number): Promise<number> {
  const chunks = Array.from({ length: Math.ceil(archive.length / chunkBytes) }, (_, n) =>
    archive.subarray(n * chunkBytes, (n + 1) * chunkBytes),
  );
  const reader = new ArchiveReader(Readable.from(chunks));
  const tree = new LayerTree();
  let bytes = 0;
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const place = tree.locate(entry.path, () => undefined);
    for (const part of place?.path.split("/") ?? [])
      assert.ok(part !== ".." && part !== "." && part !== "" && !part.includes("\0"), entry.path);
    if (place !== undefined && entry.kind === "symlink") place.parent.children.set(place.name, entry.linkPath);
    if (place !== undefined && entry.kind === "directory") place.parent.children.set(place.name, { children: new Map() });
    await reader.body((chunk) => {
      bytes += chunk.length;
    });
  }
  return bytes;
}

test("whatever bytes a layer has, it is read or refused, and no entry leads out", async () => {
  await fuzz(fc.tuple(damaged(bases), fc.constantFrom(1_500, 512, 100_000, 37)), async ([archive, chunkBytes]) => {
    try {
      assert.ok((await readThrough(archive, chunkBytes)) <= archive.length);
    } catch (error) {
      if (!(error instanceof LongshoreError) || error.code !== "INVALID_INPUT") throw error;
    }
  });
});
