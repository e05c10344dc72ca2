/**
 * Reads images out of containers/storage without starting buildah: wrangler inspects four times in a deploy, and a spawn is what that costs.
 * Only reads: every change goes through buildah, which holds the locks. The files are replaced by rename, so a read is never torn.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { BuildRoot } from "./build-root.js";
import { fullName, parseReference, repositoryOf } from "./reference.js";

/** One image as storage lists it. */
export interface StoredImage {
  /** 64 hex: the digest of its configuration. */
  readonly id: string;
  /** Full names, with tag or digest. */
  readonly names: readonly string[];
  /** Digest of the manifest in storage; a push makes another one, since it compresses the layers. */
  readonly digest: string | undefined;
  readonly created: string;
  readonly topLayer: string | undefined;
}

/** The image configuration of the OCI specification, as far as we read it. */
export interface ImageConfig {
  readonly architecture?: string;
  readonly os?: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly rootfs?: { readonly diff_ids?: readonly string[] };
}

interface ImageRecord {
  id: string;
  names?: string[];
  digest?: string;
  created?: string;
  layer?: string;
}

interface LayerRecord {
  id: string;
  parent?: string;
  "diff-size"?: number;
}

/** Every image in storage, with or without a name. */
export async function listImages(root: BuildRoot): Promise<StoredImage[]> {
  const records = (await readJson<ImageRecord[]>(join(root.storage, `${root.driver}-images`, "images.json"))) ?? [];
  return records.map((record) => ({
    id: record.id,
    names: record.names ?? [],
    digest: record.digest,
    created: record.created ?? "",
    topLayer: record.layer,
  }));
}

/** The image behind a name, a `repository@digest`, or the first hex digits (at least 4) of an id. */
export async function findImage(root: BuildRoot, text: string): Promise<StoredImage | undefined> {
  return findIn(await listImages(root), text);
}

/** {@link findImage} in a list that the caller already has. */
export function findIn(images: readonly StoredImage[], text: string): StoredImage | undefined {
  const hex = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1];
  const byId = hex === undefined ? [] : images.filter((image) => image.id.startsWith(hex));
  if (text.startsWith("sha256:")) return byId[0];
  const name = fullName(text);
  const reference = parseReference(text);
  const repository = repositoryOf(reference);
  return (
    images.find((image) => image.names.includes(name)) ??
    (reference.digest === undefined
      ? undefined
      : images.find((image) => image.digest === reference.digest && image.names.some((other) => other.startsWith(repository)))) ??
    (byId.length === 1 ? byId[0] : undefined)
  );
}

/** {@link findImage}, or the error that Docker users know. Errors: `NOT_FOUND`. */
export async function requireImage(root: BuildRoot, text: string): Promise<StoredImage> {
  const image = await findImage(root, text);
  if (image !== undefined) return image;
  throw new LongshoreError("NOT_FOUND", `There is no image "${text}" on this machine (in ${root.root}).`, {
    hint: 'See what there is with "images", or build or pull it first.',
  });
}

/** An image's configuration. Errors: `INTERNAL` when storage lacks it. */
export async function readConfig(root: BuildRoot, image: StoredImage): Promise<ImageConfig> {
  const directory = join(root.storage, `${root.driver}-images`, image.id);
  const manifest = await readJson<{ config?: { digest?: string } }>(join(directory, "manifest"));
  const digest = manifest?.config?.digest;
  const config = digest === undefined ? undefined : await readJson<ImageConfig>(join(directory, bigDataName(digest)));
  if (config !== undefined) return config;
  throw new LongshoreError("INTERNAL", `The configuration of image ${image.id} is missing in ${directory}.`, {
    hint: 'Remove the image with "image rm" and build or pull it again.',
  });
}

/** Bytes of the image's files, all layers, not compressed: what Docker calls its size. */
export async function imageSize(root: BuildRoot, image: StoredImage): Promise<number> {
  const records = (await readJson<LayerRecord[]>(join(root.storage, `${root.driver}-layers`, "layers.json"))) ?? [];
  const layers = new Map(records.map((layer) => [layer.id, layer]));
  let size = 0;
  for (let layer = layers.get(image.topLayer ?? ""); layer !== undefined; layer = layers.get(layer.parent ?? "")) {
    size += Math.max(0, layer["diff-size"] ?? 0);
  }
  return size;
}

/** Ids of the containers that builds under way, or killed builds, work in. */
export async function workingContainers(root: BuildRoot): Promise<string[]> {
  const records = await readJson<{ id: string }[]>(join(root.storage, `${root.driver}-containers`, "containers.json"));
  return (records ?? []).map((record) => record.id);
}

/** How containers/storage names a data file: a key with anything but `.`, digits and small letters in base64 after `=`. */
function bigDataName(key: string): string {
  return /^[.0-9a-z]*$/.test(key) ? key : `=${Buffer.from(key).toString("base64")}`;
}

/** `undefined` when there is no such file, as in a storage that nothing was put in yet. */
async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
