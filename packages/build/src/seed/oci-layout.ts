import { createHash } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type LayerEntry, SEED_TIME, writeLayer } from "./layer-tar.js";

/** An image of one layer. */
export interface SeedImage {
  readonly entries: readonly LayerEntry[];
  /** The `config` of the OCI image configuration: `Env`, `Cmd`, `Entrypoint`, … */
  readonly config: Readonly<Record<string, unknown>>;
  /** Where it comes from, for people. */
  readonly from: string;
}

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** Writes the image as an OCI layout directory. The same entries and config give the same bytes. Resolves to the layer's size in bytes. */
export async function writeOciLayout(directory: string, image: SeedImage): Promise<number> {
  const blobs = join(directory, "blobs", "sha256");
  await mkdir(blobs, { recursive: true });
  const pending = join(directory, "layer.tar");
  const layer = await writeLayer(pending, image.entries);
  await rename(pending, join(blobs, layer.digest.slice("sha256:".length)));

  const put = async (value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const hex = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(blobs, hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const created = SEED_TIME.toISOString();
  const config = await put({
    architecture: "amd64",
    os: "linux",
    created,
    config: image.config,
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created, created_by: "longshore image seed" }],
  });
  const manifest = await put({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, ...config },
    layers: [{ mediaType: LAYER, ...layer }],
  });
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [{ mediaType: MANIFEST, ...manifest }] };
  await writeFile(join(directory, "index.json"), JSON.stringify(index));
  await writeFile(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  return layer.size;
}
