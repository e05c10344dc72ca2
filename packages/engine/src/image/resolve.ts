import { LongshoreError } from "@longshore/contract";
import { MAX_DOCUMENT_BYTES, parseConfig, parseManifest } from "./manifest.js";
import type { ImageSource } from "./types.js";

export interface ResolvedImage {
  /** Of the manifest or index that the name stands for. */
  readonly digest: string;
  /** Bytes of all layers as they travel. */
  readonly downloadBytes: number;
}

/**
 * What a name stands for at this moment, without its layers. Errors: those of the source, `NOT_FOUND`, `UNSUPPORTED` (other platform),
 * `INVALID_INPUT` (not an image).
 */
export async function resolveImage(source: ImageSource, reference: string): Promise<ResolvedImage> {
  const found = await source.manifest(reference, { fresh: true });
  if (found === undefined) throw absent(`There is no image ${reference}.`);
  const top = parseManifest(found.bytes, reference);
  const manifest = "platform" in top ? parseManifest(await document(source, top.platform, reference), reference) : top;
  if ("platform" in manifest) throw new LongshoreError("INVALID_INPUT", `The image ${reference} is an index of indexes.`);
  parseConfig(await document(source, manifest.config, reference), reference);
  return { digest: found.digest, downloadBytes: manifest.layers.reduce((sum, { size }) => sum + size, 0) };
}

async function document(source: ImageSource, { digest, size }: { digest: string; size: number }, reference: string): Promise<Buffer> {
  if (size > MAX_DOCUMENT_BYTES) throw new LongshoreError("INVALID_INPUT", `A document of the image ${reference} is too large.`);
  const stream = await source.blob(digest, reference, size);
  if (stream === undefined) throw absent(`The part ${digest} of the image ${reference} is missing.`);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function absent(message: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", message, { hint: "Check its name, or push it." });
}
