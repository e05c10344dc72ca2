import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import type { BuildRoot } from "../build-root.js";
import { buildah } from "../buildah.js";
import { blobSize, loadArchive, requireEngine } from "../engine-client.js";
import { familiarName } from "../reference.js";
import { openSink, type Pushed } from "./sink.js";

/**
 * Gives an image to the engine, under a name or without; returns the digest that it has there. Layers are not compressed, and those that the engine has are neither read nor sent.
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
  const layout = join(workDirectory, "layout");
  const blobs = join(layout, "blobs", "sha256");
  await mkdir(blobs, { recursive: true });
  const pushed = await push(root, imageId, blobs, workDirectory, (digest) => blobSize(socket, digest));
  const annotations = name === undefined ? {} : { "io.containerd.image.name": familiarName(name) };
  await writeFile(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [{ ...pushed, annotations }] }));
  await writeFile(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  await sendDirectory(socket, layout);
  return pushed.digest;
}

async function push(
  root: BuildRoot,
  imageId: string,
  directory: string,
  workDirectory: string,
  sizeElsewhere: (digest: string) => Promise<number | undefined>,
): Promise<Pushed> {
  await using sink = await openSink(directory, sizeElsewhere);
  const flags = ["--signature-policy", root.policy, "--tls-verify=false", "--disable-compression", "--quiet"];
  await buildah(root, ["push", ...flags, imageId, `docker://${sink.host}/image:given`], "Giving the image to the engine", workDirectory);
  if (sink.pushed === undefined)
    throw new LongshoreError("INTERNAL", "Giving the image to the engine failed: buildah has pushed no manifest.");
  return sink.pushed;
}

async function sendDirectory(socket: string, directory: string): Promise<void> {
  const tar = spawn("tar", ["--create", "--file=-", `--directory=${directory}`, "."], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(tar, "close") as Promise<[number | null]>;
  await loadArchive(socket, tar.stdout);
  const [code] = await ended;
  if (code !== 0) throw new LongshoreError("INTERNAL", `Packing the image for the engine failed: tar ended with ${code}.`);
}
