import { readFile } from "node:fs/promises";
import { LongshoreError } from "@longshore/contract";
import { type Descriptor, type Manifest, parseConfig, parseManifest } from "../manifest.js";
import type { ImageSource } from "../types.js";
import type { ArchivedImage } from "./archive-images.js";
import type { ArrivedBlob, LocalBlobs } from "./blobs.js";

/** Told how many bytes of how many of a layer have come. */
export type LayerProgress = (layer: Descriptor, bytes: number) => void;

const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

/**
 * Fetches all parts of an image into a directory; what is on this machine already is not fetched again.
 * Errors: those of the source, `NOT_FOUND`, `UNSUPPORTED` (other platform), `INVALID_INPUT` (damaged).
 */
export async function copyImage(
  source: ImageSource,
  reference: string,
  blobs: LocalBlobs,
  directory: string,
  progress: LayerProgress = () => undefined,
): Promise<Omit<ArchivedImage, "names">> {
  const fetch = async (part: Descriptor, report?: (bytes: number) => void): Promise<ArrivedBlob> => {
    const bytes = (await blobs.stream(part.digest)) ?? (await source.blob(part.digest, reference, part.size));
    if (bytes === undefined) throw absent(reference);
    const arrived = await blobs.receive(directory, upTo(bytes as AsyncIterable<Buffer>, part, reference), report);
    if (arrived.digest === part.digest) return arrived;
    throw new LongshoreError("INVALID_INPUT", `The image ${reference} is damaged: ${part.digest} is ${arrived.digest}.`);
  };
  const small = async (part: Descriptor): Promise<ArrivedBlob> => {
    if (part.size <= MAX_DOCUMENT_BYTES) return await fetch(part);
    throw new LongshoreError("TOO_LARGE", `The configuration of the image ${reference} is too large.`);
  };
  const { bytes, content } = await platformManifest(source, reference, small);
  const config = await small(content.config);
  // Before its layers are fetched in vain.
  parseConfig(await readFile(config.file), reference);
  const parts = [config];
  for (const layer of content.layers) parts.push(await fetch(layer, (done) => progress(layer, done)));
  return { manifest: bytes, parts };
}

async function platformManifest(
  source: ImageSource,
  reference: string,
  fetch: (part: Descriptor) => Promise<ArrivedBlob>,
): Promise<{ bytes: Buffer; content: Manifest }> {
  const top = await source.manifest(reference);
  if (top === undefined) throw absent(reference);
  const parsed = parseManifest(top.bytes, reference);
  if (!("platform" in parsed)) return { bytes: top.bytes, content: parsed };
  const bytes = await readFile((await fetch(parsed.platform)).file);
  const content = parseManifest(bytes, reference);
  if ("platform" in content) throw new LongshoreError("INVALID_INPUT", `The image ${reference} is an index of indexes.`);
  return { bytes, content };
}

/** Passes bytes on, and not more of them than were promised. */
async function* upTo(source: AsyncIterable<Buffer>, { digest, size }: Descriptor, reference: string): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > size)
      throw new LongshoreError("INVALID_INPUT", `The image ${reference} is damaged: ${digest} has more than ${size} bytes.`);
    yield chunk;
  }
}

function absent(reference: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", `The image ${reference}, or a part of it, is not in its registry.`);
}
