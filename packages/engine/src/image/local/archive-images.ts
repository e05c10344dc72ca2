import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { type Descriptor, type Manifest, parseConfig, parseManifest } from "../manifest.js";
import { type ArchiveFiles, readDocument } from "./archive-files.js";
import type { ArrivedBlob } from "./blobs.js";
import { hexOf, localName } from "./name.js";

const dockerManifest = z.array(z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }));
const ociIndex = z.object({
  manifests: z.array(z.object({ digest: z.string(), annotations: z.record(z.string(), z.string()).nullish() })),
});

const IMAGE_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
/** The unpacker goes by the bytes: what they are called here is of no consequence. */
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";

/** One image of an archive. */
export interface ArchivedImage {
  readonly names: readonly string[];
  /** The manifest's bytes: the archive's own, or one that is made for what `docker save` writes. */
  readonly manifest: Buffer;
  /** Configuration and layers. */
  readonly parts: readonly ArrivedBlob[];
}

/** A part that is on this machine already, which an OCI layout may then leave out. */
export type PresentBlob = (digest: string) => Promise<ArrivedBlob | undefined>;

/**
 * The images in what `docker save`, buildah or another builder has written: a docker archive, an OCI layout, or both in one.
 * Errors: `INVALID_INPUT`, `UNSUPPORTED` for other platforms.
 */
export async function imagesIn(files: ArchiveFiles, present: PresentBlob = async () => undefined): Promise<ArchivedImage[]> {
  const isDocker = files.find("manifest.json") !== undefined;
  const entries = isDocker ? parse(dockerManifest, await files.document("manifest.json"), "manifest.json") : [];
  if (files.find("index.json") !== undefined) return await layoutImages(files, entries, present);
  if (!isDocker) {
    throw new LongshoreError("INVALID_INPUT", "This is no image archive: it has neither manifest.json nor index.json.", {
      hint: "Make one with docker save, or with buildah push … docker-archive:<file>.",
    });
  }
  return await Promise.all(entries.map((entry) => dockerImage(files, entry)));
}

type DockerEntry = z.infer<typeof dockerManifest>[number];

async function dockerImage(files: ArchiveFiles, { Config, RepoTags, Layers }: DockerEntry): Promise<ArchivedImage> {
  const config = files.require(Config);
  const { diffIds } = parseConfig(await files.document(Config), Config);
  if (diffIds.length !== Layers.length) {
    throw new LongshoreError(
      "INVALID_INPUT",
      `An image of the archive has ${Layers.length} layers, but its configuration names ${diffIds.length}.`,
    );
  }
  const layers = Layers.map((name) => files.require(name));
  const descriptor = (mediaType: string, { digest, size }: ArrivedBlob) => ({ mediaType, digest, size });
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: descriptor(CONFIG_TYPE, config),
    layers: layers.map((layer) => descriptor(LAYER_TYPE, layer)),
  };
  return { names: (RepoTags ?? []).map(localName), manifest: Buffer.from(JSON.stringify(manifest)), parts: [config, ...layers] };
}

async function layoutImages(files: ArchiveFiles, entries: readonly DockerEntry[], present: PresentBlob): Promise<ArchivedImage[]> {
  const { manifests } = parse(ociIndex, await files.document("index.json"), "index.json");
  const images: ArchivedImage[] = [];
  for (const { digest, annotations } of manifests) {
    const { bytes, manifest } = await platformManifest(files, digest);
    const parts = await Promise.all([manifest.config, ...manifest.layers].map((part) => blob(files, part, present)));
    const [config] = parts;
    if (config !== undefined) parseConfig(await readDocument(config, manifest.config.digest), "the archive");
    const listed = entries
      .filter(({ Config }) => files.find(Config)?.digest === manifest.config.digest)
      .flatMap(({ RepoTags }) => RepoTags ?? []);
    const names = new Set([...listed, ...annotatedNames(annotations ?? {})].map(localName));
    images.push({ names: [...names], manifest: bytes, parts });
  }
  return images;
}

async function platformManifest(files: ArchiveFiles, digest: string): Promise<{ bytes: Buffer; manifest: Manifest }> {
  const bytes = await files.document(blobPath(digest));
  const parsed = parseManifest(bytes, "the archive");
  if (!("platform" in parsed)) return { bytes, manifest: parsed };
  const inner = await files.document(blobPath(parsed.platform.digest));
  const manifest = parseManifest(inner, "the archive");
  if ("platform" in manifest) throw new LongshoreError("INVALID_INPUT", "The image archive has an index of indexes.");
  return { bytes: inner, manifest };
}

async function blob(files: ArchiveFiles, { digest }: Descriptor, present: PresentBlob): Promise<ArrivedBlob> {
  const found = files.find(blobPath(digest)) ?? (await present(digest)) ?? files.require(blobPath(digest));
  if (found.digest === digest) return found;
  throw new LongshoreError("INVALID_INPUT", `The image archive is damaged: what it calls ${digest} is ${found.digest}.`);
}

function blobPath(digest: string): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/** The annotation of the specification may hold a tag alone, which names nothing. */
function annotatedNames(annotations: Readonly<Record<string, string>>): string[] {
  const full = annotations[IMAGE_NAME];
  if (full !== undefined) return [full];
  const reference = annotations[REF_NAME];
  return reference !== undefined && /[:/]/.test(reference) ? [reference] : [];
}

function parse<T>(schema: z.ZodType<T>, bytes: Buffer, name: string): T {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `"${name}" in the image archive is not JSON.`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new LongshoreError("INVALID_INPUT", `"${name}" in the image archive is not valid: ${z.prettifyError(parsed.error)}`);
}
