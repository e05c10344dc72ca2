import { buffer } from "node:stream/consumers";
import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { type Manifest, parseManifest } from "./manifest.js";
import type { ImageSource } from "./types.js";

const text = z.string().nullish();
const fullConfig = z.looseObject({
  created: text,
  author: text,
  architecture: text,
  os: text,
  config: z.looseObject({}).nullish(),
  rootfs: z.looseObject({ diff_ids: z.array(z.string()) }),
  history: z.array(z.looseObject({ created: text, created_by: text, comment: text, empty_layer: z.boolean().nullish() })).nullish(),
});

/** All that an image says about itself, more than is needed to run it. */
export interface ImageDocuments {
  readonly manifest: Manifest;
  readonly config: z.infer<typeof fullConfig>;
}

/** Reads an image's documents where its bytes come from. Errors: those of the source, `NOT_FOUND`, `INVALID_INPUT`. */
export async function imageDocuments(source: ImageSource, reference: string): Promise<ImageDocuments> {
  const found = await source.manifest(reference);
  if (found === undefined) throw absent(reference);
  const top = parseManifest(found.bytes, reference);
  const manifest = "platform" in top ? parseManifest(await document(source, top.platform.digest, reference), reference) : top;
  if ("platform" in manifest) throw new LongshoreError("INVALID_INPUT", `The image ${reference} is an index of indexes.`);
  const bytes = await document(source, manifest.config.digest, reference);
  const config = fullConfig.safeParse(JSON.parse(bytes.toString("utf8")));
  if (config.success) return { manifest, config: config.data };
  throw new LongshoreError("INVALID_INPUT", `The configuration of ${reference} is not valid: ${z.prettifyError(config.error)}`);
}

async function document(source: ImageSource, digest: string, reference: string): Promise<Buffer> {
  const stream = await source.blob(digest, reference);
  if (stream === undefined) throw absent(reference);
  return await buffer(stream);
}

function absent(reference: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", `The image ${reference} is not where it came from any more.`);
}
