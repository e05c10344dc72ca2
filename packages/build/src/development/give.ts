import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import type { BuildRoot } from "../build-root.js";
import { buildah } from "../buildah.js";
import { type BlobDescriptor, engineLayer, loadArchive, requireEngine } from "../engine-client.js";
import { familiarName } from "../reference.js";
import { readConfig, requireImage } from "../storage.js";

type Layout = { readonly path: string; readonly blobs: string };
interface Manifest {
  layers: BlobDescriptor[];
}

/**
 * Gives an image to the engine, under a name or without one; returns the digest that it has there. Layers that the engine has are neither read nor sent.
 * `workDirectory` is a directory of the caller's for temporary files. Errors: `UNAVAILABLE` when there is no engine, or it fails.
 */
export async function giveToEngine(
  root: BuildRoot,
  socket: string,
  imageId: string,
  name: string | undefined,
  workDirectory: string,
): Promise<string> {
  await requireEngine(socket);
  const path = join(workDirectory, "layout");
  const layout = { path, blobs: join(path, "blobs", "sha256") };
  await mkdir(layout.blobs, { recursive: true });
  const present = await layersPresent(root, socket, imageId);
  // buildah leaves out what is in the directory already, and does not look into it.
  for (const diffId of present.keys()) await writeFile(fileOf(layout, diffId), "");
  const flags = ["--signature-policy", root.policy, "--compression-format", "gzip", "--compression-level", "1", "--quiet"];
  await buildah(root, ["push", ...flags, imageId, `oci:${path}:image`], "Giving the image to the engine", workDirectory);
  for (const diffId of present.keys()) await rm(fileOf(layout, diffId));
  const digest = await finish(layout, present, name);
  await sendDirectory(socket, path);
  return digest;
}

/** The image's layers that the engine has, by the digest of their plain bytes, which is what the image's configuration and buildah go by. */
async function layersPresent(root: BuildRoot, socket: string, imageId: string): Promise<Map<string, BlobDescriptor>> {
  const { rootfs } = await readConfig(root, await requireImage(root, imageId));
  const present = new Map<string, BlobDescriptor>();
  for (const diffId of rootfs?.diff_ids ?? []) {
    const layer = await engineLayer(socket, diffId);
    if (layer !== undefined) present.set(diffId, layer);
  }
  return present;
}

/** Has the manifest name the engine's own blobs for the layers it has, and the index name the image. Returns the manifest's digest. */
async function finish(layout: Layout, present: ReadonlyMap<string, BlobDescriptor>, name: string | undefined): Promise<string> {
  const indexFile = join(layout.path, "index.json");
  const index = JSON.parse(await readFile(indexFile, "utf8")) as { manifests: BlobDescriptor[] };
  const [written] = index.manifests;
  if (written === undefined)
    throw new LongshoreError("INTERNAL", "Giving the image to the engine failed: buildah has written no manifest.");
  const manifest = JSON.parse(await readFile(fileOf(layout, written.digest), "utf8")) as Manifest;
  manifest.layers = manifest.layers.map((layer) => present.get(layer.digest) ?? layer);
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  await writeFile(fileOf(layout, digest), bytes);
  const annotations = name === undefined ? {} : { "io.containerd.image.name": familiarName(name) };
  const entry = { mediaType: written.mediaType, digest, size: bytes.length, annotations };
  await writeFile(indexFile, JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  return digest;
}

function fileOf({ blobs }: Layout, digest: string): string {
  return join(blobs, digest.slice("sha256:".length));
}

async function sendDirectory(socket: string, directory: string): Promise<void> {
  const tar = spawn("tar", ["--create", "--file=-", `--directory=${directory}`, "."], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(tar, "close") as Promise<[number | null]>;
  await loadArchive(socket, tar.stdout);
  const [code] = await ended;
  if (code !== 0) throw new LongshoreError("INTERNAL", `Packing the image for the engine failed: tar ended with ${code}.`);
}
