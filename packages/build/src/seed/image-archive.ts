import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { BLOCK, endOfArchive, type LayerEntry, padding, SEED_TIME, smallEntry, tarHeader, writeLayer } from "./layer-tar.js";

/** An image of one layer. */
export interface SeedImage {
  readonly entries: readonly LayerEntry[];
  /** The `config` of the OCI image configuration: `Env`, `Cmd`, `Entrypoint`, … */
  readonly config: Readonly<Record<string, unknown>>;
  /** Where it comes from, for people. */
  readonly from: string;
  /** Default `amd64`. */
  readonly architecture?: string;
}

const LAYER_PATH = "layer.tar";

/**
 * Writes the image as the archive that `docker save` makes, under the full name `reference`. The same image gives the same bytes.
 * Resolves to the layer's size in bytes. Errors: those of `writeLayer`.
 */
export async function writeImageArchive(file: string, image: SeedImage, reference: string): Promise<number> {
  await using output = await open(file, "w");
  // The layer's header holds its size, which is known once it is written.
  await output.write(Buffer.alloc(BLOCK));
  const layer = await writeLayer(output, image.entries);
  await output.write(padding(layer.size));

  const created = SEED_TIME.toISOString();
  const config = JSON.stringify({
    architecture: image.architecture ?? "amd64",
    os: "linux",
    created,
    config: image.config,
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created, created_by: "longshore image seed" }],
  });
  const configPath = `${createHash("sha256").update(config).digest("hex")}.json`;
  const manifest = JSON.stringify([{ Config: configPath, RepoTags: [reference], Layers: [LAYER_PATH] }]);
  await output.write(
    Buffer.concat([
      smallEntry({ path: configPath, content: config }),
      smallEntry({ path: "manifest.json", content: manifest }),
      endOfArchive(),
    ]),
  );
  await output.write(tarHeader({ path: LAYER_PATH, content: "" }, layer.size), 0, BLOCK, 0);
  return layer.size;
}
