import { DIGEST_PATTERN } from "@longshore/contract";
import { z } from "zod";
import { RegistryError } from "./errors.js";

const IMAGE_TYPES: readonly string[] = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
const INDEX_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
/** Configs that describe a container; those of other artifacts say nothing about a platform. */
const IMAGE_CONFIG_TYPES: readonly string[] = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];

/** Layers that their licence keeps at their maker's address. */
const FROM_MAKER = /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.v1\.tar|docker\.image\.rootfs\.foreign\.diff\.tar)/;

const platformSchema = z.object({ os: z.string().optional(), architecture: z.string().optional() });

const descriptorSchema = z.object({
  mediaType: z.string(),
  digest: z.string().regex(DIGEST_PATTERN),
  size: z.number().int().nonnegative(),
  artifactType: z.string().optional(),
  platform: platformSchema.optional(),
});

const commonSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  subject: descriptorSchema.optional(),
});
const imageSchema = commonSchema.extend({ config: descriptorSchema, layers: z.array(descriptorSchema) });
const indexSchema = commonSchema.extend({ manifests: z.array(descriptorSchema) });

export type Descriptor = z.infer<typeof descriptorSchema>;
export type Platform = z.infer<typeof platformSchema>;

interface Common {
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly subject: Descriptor | undefined;
}
export interface ImageManifest extends Common {
  readonly kind: "image";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}
export interface IndexManifest extends Common {
  readonly kind: "index";
  readonly manifests: readonly Descriptor[];
}
export type Manifest = ImageManifest | IndexManifest;

/**
 * Reads a manifest of one of the four types that the registry stores. `contentType` is the one it was sent with, if any.
 * Errors: `MANIFEST_INVALID`, `UNSUPPORTED` for other types.
 */
export function parseManifest(bytes: Buffer, contentType: string | undefined): Manifest {
  const json = parseJson(bytes);
  const stated = z.object({ mediaType: z.string().optional() }).safeParse(json).data?.mediaType;
  const mediaType = contentType?.split(";", 1)[0]?.trim() ?? stated;
  if (mediaType === undefined) {
    throw new RegistryError("MANIFEST_INVALID", "The manifest does not say its media type.", { hint: "Send it with a Content-Type." });
  }
  if (stated !== undefined && stated !== mediaType) {
    throw new RegistryError("MANIFEST_INVALID", `The manifest was sent as ${mediaType}, but says that it is ${stated}.`, {
      hint: "Send it with the Content-Type that it states.",
    });
  }
  if (IMAGE_TYPES.includes(mediaType)) {
    const { config, layers, ...common } = checked(imageSchema, json);
    return { kind: "image", config, layers, ...commonOf(common, mediaType) };
  }
  if (INDEX_TYPES.includes(mediaType)) {
    const { manifests, ...common } = checked(indexSchema, json);
    return { kind: "index", manifests, ...commonOf(common, mediaType) };
  }
  throw new RegistryError("UNSUPPORTED", `This registry does not store manifests of the type ${mediaType}.`, {
    hint: `It stores ${[...IMAGE_TYPES, ...INDEX_TYPES].join(", ")}.`,
  });
}

/** What an image's config says about where it runs; `undefined` when it says nothing. Errors: `MANIFEST_INVALID`. */
export function parseConfigPlatform(config: Buffer): Platform | undefined {
  const { os, architecture } = checked(platformSchema, parseJson(config));
  return os === undefined && architecture === undefined ? undefined : { os, architecture };
}

/** True when the image's config is one of a container. */
export function isContainerImage(manifest: ImageManifest): boolean {
  return IMAGE_CONFIG_TYPES.includes(manifest.config.mediaType);
}

/** What a manifest refers to. `mayBeAbsent`: nobody here needs it, or clients get it elsewhere. */
export type Part = Descriptor & { readonly mayBeAbsent: boolean };

/** The blobs that an image consists of, each digest once. Layers that are to be had from their maker may be absent. */
export function blobsOf(manifest: ImageManifest): readonly Part[] {
  return distinct([manifest.config, ...manifest.layers], ({ mediaType }) => FROM_MAKER.test(mediaType));
}

/** The manifests that an index lists, each digest once. Those for platforms on which nothing runs here may be absent. */
export function manifestsOf(manifest: IndexManifest): readonly Part[] {
  return distinct(manifest.manifests, ({ platform }) => platform !== undefined && !runsHere(platform));
}

/** True for the one platform that containers run on. */
export function runsHere(platform: Platform): boolean {
  return platform.os === "linux" && platform.architecture === "amd64";
}

function distinct(descriptors: readonly Descriptor[], mayBeAbsent: (one: Descriptor) => boolean): readonly Part[] {
  return [...new Map(descriptors.map((one) => [one.digest, { ...one, mayBeAbsent: mayBeAbsent(one) }])).values()];
}

function commonOf(common: z.infer<typeof commonSchema>, mediaType: string): Common {
  return { mediaType, artifactType: common.artifactType, annotations: common.annotations, subject: common.subject };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new RegistryError("MANIFEST_INVALID", "The manifest or config is not JSON.", { cause });
  }
}

function checked<T>(schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new RegistryError("MANIFEST_INVALID", `The manifest or config does not have the form it should: ${z.prettifyError(result.error)}`, {
    cause: result.error,
  });
}
