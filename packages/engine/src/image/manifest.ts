import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import type { ImageConfig } from "./types.js";

/** Manifests and configurations are small; the registry's own limit is the same. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

const descriptor = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number().int().nonnegative(),
});
const platform = z.object({ architecture: z.string(), os: z.string() });
const manifest = z.object({ config: descriptor, layers: z.array(descriptor).max(127) });
const index = z.object({ manifests: z.array(descriptor.extend({ platform: platform.optional() })) });
const strings = z.array(z.string()).nullish();
const imageConfig = z.object({
  architecture: z.string(),
  os: z.string(),
  rootfs: z.object({ diff_ids: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)) }),
  config: z
    .object({
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      WorkingDir: z.string().nullish(),
      User: z.string().nullish(),
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
    })
    .nullish(),
});

export type Descriptor = z.infer<typeof descriptor>;
export type Manifest = z.infer<typeof manifest>;

/** A manifest, or where the linux/amd64 one is when the bytes are an index. Errors: `UNSUPPORTED`, `INVALID_INPUT`. */
export function parseManifest(bytes: Buffer, reference: string): Manifest | { readonly platform: Descriptor } {
  const json = parseJson(bytes, `The manifest of ${reference}`);
  const asIndex = index.safeParse(json);
  if (asIndex.success) {
    const found = asIndex.data.manifests.find((entry) => entry.platform?.os === "linux" && entry.platform.architecture === "amd64");
    if (found !== undefined) return { platform: found };
    const offered = asIndex.data.manifests.map((entry) => `${entry.platform?.os}/${entry.platform?.architecture}`).join(", ");
    throw otherPlatform(reference, offered);
  }
  return checked(manifest.safeParse(json), `The manifest of ${reference}`);
}

/** What an image's configuration says, and its layers' uncompressed digests. Errors: `UNSUPPORTED` for another platform. */
export function parseConfig(bytes: Buffer, reference: string): { config: ImageConfig; diffIds: string[] } {
  const parsed = checked(imageConfig.safeParse(parseJson(bytes, `The configuration of ${reference}`)), `The configuration of ${reference}`);
  if (parsed.os !== "linux" || parsed.architecture !== "amd64") throw otherPlatform(reference, `${parsed.os}/${parsed.architecture}`);
  const { config } = parsed;
  return {
    diffIds: parsed.rootfs.diff_ids,
    config: {
      env: config?.Env ?? [],
      entrypoint: config?.Entrypoint ?? [],
      command: config?.Cmd ?? [],
      workingDirectory: config?.WorkingDir || "/",
      user: config?.User ?? "",
      exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
    },
  };
}

function otherPlatform(reference: string, platforms: string): LongshoreError {
  return new LongshoreError("UNSUPPORTED", `The image ${reference} is for ${platforms}; containers run linux/amd64.`, {
    hint: "Build it with --platform linux/amd64 and push it again.",
  });
}

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `${what} is not JSON.`, { cause, hint: "Push the image again." });
  }
}

function checked<T>(result: { success: true; data: T } | { success: false; error: z.ZodError }, what: string): T {
  if (result.success) return result.data;
  throw new LongshoreError("INVALID_INPUT", `${what} is not valid: ${z.prettifyError(result.error)}`, {
    cause: result.error,
    hint: "Push the image again.",
  });
}
