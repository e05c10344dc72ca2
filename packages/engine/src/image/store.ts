import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { isErrno, LongshoreError, toLongshoreError } from "@longshore/contract";
import { extractLayer } from "./layer.js";
import { type Descriptor, type Manifest, parseConfig, parseManifest } from "./manifest.js";
import type { ImageSource, PreparedImage } from "./types.js";

/** Unpacking a layer must end; a disk that hangs must not hold a deploy for ever. */
const EXTRACT_DEADLINE_MS = 15 * 60_000;

/**
 * Images unpacked on this host: one directory per layer, shared by every image that has it, and a record per image.
 * A directory or record appears by rename, so what is there is whole; what a killed engine left half done is swept by {@link open}.
 */
export class ImageStore {
  readonly layersDirectory: string;
  readonly #recordsDirectory: string;
  readonly #source: ImageSource;
  readonly #prepared = new Map<string, PreparedImage>();
  readonly #underWay = new Map<string, Promise<unknown>>();

  private constructor(directory: string, source: ImageSource) {
    this.layersDirectory = join(directory, "layers");
    this.#recordsDirectory = join(directory, "images");
    this.#source = source;
  }

  static async open(directory: string, source: ImageSource): Promise<ImageStore> {
    const store = new ImageStore(directory, source);
    await mkdir(store.layersDirectory, { recursive: true });
    await mkdir(store.#recordsDirectory, { recursive: true });
    for (const name of await readdir(store.layersDirectory)) {
      if (name.startsWith("partial-")) await rm(join(store.layersDirectory, name), { recursive: true, force: true });
    }
    for (const name of await readdir(store.#recordsDirectory)) {
      if (!name.endsWith(".json")) continue;
      const image = JSON.parse(await readFile(join(store.#recordsDirectory, name), "utf8")) as PreparedImage;
      store.#prepared.set(image.digest, image);
    }
    return store;
  }

  /** An image that is already unpacked, by manifest digest. */
  prepared(digest: string): PreparedImage | undefined {
    return this.#prepared.get(digest);
  }

  /**
   * Unpacks an image unless it is; concurrent calls share the work.
   * Errors: `NOT_FOUND`, `UNSUPPORTED` (other platform), `INVALID_INPUT` (damaged), `NO_SPACE`.
   */
  async prepare(reference: string): Promise<PreparedImage> {
    const manifest = await this.#manifest(reference);
    const known = this.#prepared.get(manifest.digest);
    if (known !== undefined) return known;
    return await this.#once(manifest.digest, () => this.#unpack(reference, manifest.digest, manifest.content));
  }

  async #manifest(reference: string): Promise<{ digest: string; content: Manifest }> {
    const found = await this.#source.manifest(reference);
    if (found === undefined) throw missing(`The image ${reference} is not in the registry.`);
    const parsed = parseManifest(found.bytes, reference);
    if (!("platformDigest" in parsed)) return { digest: found.digest, content: parsed };
    return { digest: parsed.platformDigest, content: parseManifest(await this.#read(parsed.platformDigest), reference) as Manifest };
  }

  async #unpack(reference: string, digest: string, manifest: Manifest): Promise<PreparedImage> {
    const { config, diffIds } = parseConfig(await this.#read(manifest.config.digest), reference);
    if (diffIds.length !== manifest.layers.length) {
      throw new LongshoreError("INVALID_INPUT", `The image ${reference} has ${manifest.layers.length} layers but names ${diffIds.length}.`);
    }
    const layers: string[] = [];
    let sizeBytes = 0;
    for (const [position, descriptor] of manifest.layers.entries()) {
      const diffId = diffIds[position] ?? "";
      const name = diffId.slice("sha256:".length, "sha256:".length + 16);
      sizeBytes += await this.#once(diffId, () => this.#layer(descriptor, diffId, name));
      layers.push(name);
    }
    const image: PreparedImage = { digest, layers, config, sizeBytes };
    const file = join(this.#recordsDirectory, `${digest.slice("sha256:".length)}.json`);
    await writeFile(`${file}.partial`, JSON.stringify(image));
    await rename(`${file}.partial`, file);
    this.#prepared.set(digest, image);
    return image;
  }

  /** Unpacks one layer unless it is there; returns its size in bytes. */
  async #layer(descriptor: Descriptor, diffId: string, name: string): Promise<number> {
    const target = join(this.layersDirectory, name);
    const sizeFile = join(this.layersDirectory, `${name}.size`);
    try {
      await stat(target);
      return Number(await readFile(sizeFile, "utf8"));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    const blob = await this.#source.blob(descriptor.digest);
    if (blob === undefined) throw missing(`The image layer ${descriptor.digest} is not in the registry.`);
    const partial = join(this.layersDirectory, `partial-${name}`);
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { mode: 0o755 });
    try {
      const signal = AbortSignal.timeout(EXTRACT_DEADLINE_MS);
      const bytes = await extractLayer(Readable.from(blob), descriptor.mediaType, diffId, partial, signal);
      await writeFile(sizeFile, String(bytes));
      await rm(target, { recursive: true, force: true });
      await rename(partial, target);
      return bytes;
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw toLongshoreError(error, `unpacking the image layer ${diffId}`);
    }
  }

  async #read(digest: string): Promise<Buffer> {
    const blob = await this.#source.blob(digest);
    if (blob === undefined) throw missing(`The image part ${digest} is not in the registry.`);
    return await buffer(blob);
  }

  async #once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const current = this.#underWay.get(key);
    if (current !== undefined) return (await current) as T;
    const started = work().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, started);
    return await started;
  }
}

function missing(message: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", message, { hint: "Deploy the application again, or push the image." });
}
