import { createHash } from "node:crypto";
import { renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { LongshoreError } from "@longshore/contract";
import { LayerStore } from "./layer-store.js";
import { type Descriptor, MAX_DOCUMENT_BYTES, type Manifest, parseConfig, parseManifest } from "./manifest.js";
import type { ImageSource, PreparedImage } from "./types.js";

/** How precisely it is remembered when an image was last used. */
const USE_PRECISION_MS = 60_000;

/** What is kept of an image on disk. The file's time of change says when it was last used. */
interface ImageRecord {
  readonly image: PreparedImage;
  /** Names it was asked for by. */
  readonly references: string[];
}

interface KnownImage extends ImageRecord {
  lastUsed: number;
}

/** What must not be collected. */
export interface ImagesInUse {
  readonly digests: ReadonlySet<string>;
  readonly references: ReadonlySet<string>;
}

/**
 * Images unpacked on this host: layers ({@link LayerStore}), and a record per image, which appears by rename when all of its layers are there.
 */
export class ImageStore {
  readonly #layers: LayerStore;
  readonly #recordsDirectory: string;
  readonly #source: ImageSource;
  readonly #maxBytes: number;
  readonly #known = new Map<string, KnownImage>();
  readonly #underWay = new Map<string, Promise<unknown>>();
  #durable: Promise<void> = Promise.resolve();

  private constructor(layers: LayerStore, recordsDirectory: string, source: ImageSource, maxBytes: number) {
    this.#layers = layers;
    this.#recordsDirectory = recordsDirectory;
    this.#source = source;
    this.#maxBytes = maxBytes;
  }

  /** `maxBytes` is what any image may unpack to. */
  static async open(directory: string, source: ImageSource, maxBytes = Number.MAX_SAFE_INTEGER): Promise<ImageStore> {
    const store = new ImageStore(await LayerStore.open(join(directory, "layers")), join(directory, "images"), source, maxBytes);
    await mkdir(store.#recordsDirectory, { recursive: true });
    const layers = new Set(await store.#layers.names());
    for (const name of await readdir(store.#recordsDirectory)) await store.#load(join(store.#recordsDirectory, name), layers);
    return store;
  }

  get layersDirectory(): string {
    return this.#layers.directory;
  }

  /** All images that are unpacked, with the names they were asked for by. */
  list(): { readonly image: PreparedImage; readonly references: readonly string[] }[] {
    return [...this.#known.values()];
  }

  /** An image that is already unpacked, by manifest digest. */
  prepared(digest: string): PreparedImage | undefined {
    return this.#known.get(digest)?.image;
  }

  /**
   * Unpacks an image unless it is; concurrent calls share the work. A reference with a digest that was asked for before needs no source.
   * Unpacking ends at `maxBytes`; an image that is there already may have more.
   * Errors: `NOT_FOUND`, `UNSUPPORTED` (other platform), `INVALID_INPUT` (damaged or malicious), `TOO_LARGE` (more than `maxBytes` unpacked), `NO_SPACE`.
   */
  async prepare(reference: string, maxBytes = this.#maxBytes): Promise<PreparedImage> {
    const limit = Math.min(maxBytes, this.#maxBytes);
    const image = this.#fixed(reference) ?? (await this.#once(`${reference} ${limit}`, () => this.#resolve(reference, limit)));
    this.#touch(image.digest);
    return image;
  }

  /** Resolves when everything unpacked so far is on the disk, or could not be put there: then it is unpacked again after a power failure. */
  async settled(): Promise<void> {
    await this.#durable;
  }

  /**
   * Removes images that are not in use and were not asked for within `graceMs`, and layers that no image has. Returns how many layers went.
   * Does nothing while an image is being prepared: the next call will.
   */
  async collect(inUse: ImagesInUse, graceMs: number): Promise<number> {
    const names = await this.#layers.names();
    // From here to the removal of the names nothing is awaited: nobody can be handed an image that goes.
    if (this.#underWay.size > 0) return 0;
    const before = Date.now() - graceMs;
    const keep = new Set<string>();
    for (const [digest, { image, references, lastUsed }] of this.#known) {
      const used = inUse.digests.has(digest) || references.some((reference) => inUse.references.has(reference));
      if (used || lastUsed > before) {
        for (const layer of image.layers) keep.add(layer);
      } else {
        rmSync(this.#file(digest), { force: true });
        this.#known.delete(digest);
      }
    }
    return await this.#layers.collect(names, keep, before);
  }

  /** A reference with a digest means the same for ever. */
  #fixed(reference: string): PreparedImage | undefined {
    if (!reference.includes("@sha256:")) return undefined;
    for (const { image, references } of this.#known.values()) if (references.includes(reference)) return image;
    return undefined;
  }

  async #resolve(reference: string, limit: number): Promise<PreparedImage> {
    const { digest, content } = await this.#manifest(reference);
    const image =
      this.#known.get(digest)?.image ?? (await this.#once(`${digest} ${limit}`, () => this.#unpack(reference, digest, content, limit)));
    const references = this.#known.get(digest)?.references ?? [];
    if (!references.includes(reference)) this.#save(image, [...references, reference]);
    // A tag that has moved on no longer keeps the image that it named before.
    for (const other of this.#known.values()) {
      if (other.image.digest !== digest && other.references.includes(reference)) {
        this.#save(
          other.image,
          other.references.filter((name) => name !== reference),
          other.lastUsed,
        );
      }
    }
    return image;
  }

  async #manifest(reference: string): Promise<{ digest: string; content: Manifest }> {
    const found = await this.#source.manifest(reference);
    if (found === undefined) throw missing(`The image ${reference} is not in the registry.`);
    const parsed = parseManifest(verified(found.bytes, found.digest, reference), reference);
    if (!("platform" in parsed)) return { digest: found.digest, content: parsed };
    const content = parseManifest(await this.#document(reference, parsed.platform), reference);
    if ("platform" in content) throw new LongshoreError("INVALID_INPUT", `The image ${reference} is an index of indexes.`);
    return { digest: parsed.platform.digest, content };
  }

  async #unpack(reference: string, digest: string, manifest: Manifest, limit: number): Promise<PreparedImage> {
    const { config, diffIds } = parseConfig(await this.#document(reference, manifest.config), reference);
    if (diffIds.length !== manifest.layers.length) {
      throw new LongshoreError("INVALID_INPUT", `The image ${reference} has ${manifest.layers.length} layers but names ${diffIds.length}.`);
    }
    const layers: string[] = [];
    let sizeBytes = 0;
    for (const [position, descriptor] of manifest.layers.entries()) {
      const diffId = diffIds[position] ?? "";
      const left = limit - sizeBytes;
      const bytes = await this.#once(`${diffId} ${left}`, () =>
        this.#layers.ensure(descriptor, diffId, left, () => this.#blob(reference, descriptor)),
      ).catch((error: unknown) => {
        throw error instanceof LongshoreError && error.code === "TOO_LARGE" ? tooLarge(reference, limit, error) : error;
      });
      sizeBytes += bytes;
      if (sizeBytes > limit) throw tooLarge(reference, limit);
      layers.push(LayerStore.nameOf(diffId));
    }
    const image: PreparedImage = { digest, layers, config, sizeBytes };
    this.#save(image, this.#known.get(digest)?.references ?? []);
    this.#durable = Promise.all([this.#durable, this.#layers.makeDurable(layers)]).then(noResult, noResult);
    return image;
  }

  async #blob(reference: string, { digest, size }: Descriptor): Promise<Readable> {
    const blob = await this.#source.blob(digest, reference, size);
    if (blob === undefined) throw missing(`The part ${digest} of the image ${reference} is not in the registry.`);
    return Readable.from(blob);
  }

  async #document(reference: string, descriptor: Descriptor): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of (await this.#blob(reference, descriptor)) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_DOCUMENT_BYTES) throw new LongshoreError("TOO_LARGE", `The configuration of the image ${reference} is too large.`);
      chunks.push(chunk);
    }
    return verified(Buffer.concat(chunks), descriptor.digest, reference);
  }

  /** At once, not awaited: two names for one image may be asked for at the same time, and neither must be lost. */
  #save(image: PreparedImage, references: string[], lastUsed = Date.now()): void {
    const file = this.#file(image.digest);
    writeFileSync(`${file}.partial`, JSON.stringify({ image, references } satisfies ImageRecord));
    renameSync(`${file}.partial`, file);
    utimesSync(file, lastUsed / 1000, lastUsed / 1000);
    this.#known.set(image.digest, { image, references, lastUsed });
  }

  async #load(file: string, layers: ReadonlySet<string>): Promise<void> {
    const parsed = file.endsWith(".json") ? parseRecord(await readFile(file, "utf8")) : undefined;
    // Without its record an image is prepared again, which is quick as long as its layers are there.
    if (parsed === undefined || !parsed.image.layers.every((layer) => layers.has(layer))) return await rm(file, { force: true });
    this.#known.set(parsed.image.digest, { ...parsed, lastUsed: (await stat(file)).mtimeMs });
  }

  #touch(digest: string): void {
    const known = this.#known.get(digest);
    const now = Date.now();
    if (known === undefined || now - known.lastUsed < USE_PRECISION_MS) return;
    known.lastUsed = now;
    utimesSync(this.#file(digest), now / 1000, now / 1000);
  }

  #file(digest: string): string {
    return join(this.#recordsDirectory, `${digest.slice("sha256:".length)}.json`);
  }

  async #once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const current = this.#underWay.get(key);
    if (current !== undefined) return (await current) as T;
    const started = work().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, started);
    return await started;
  }
}

/** A record as this version writes them; a power failure may have left an empty one. */
function parseRecord(text: string): ImageRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<ImageRecord>;
    return record.image === undefined || record.references === undefined ? undefined : (record as ImageRecord);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function noResult(): void {
  // Whether it worked stands in the layers' notes.
}

function verified(bytes: Buffer, digest: string, reference: string): Buffer {
  const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (found === digest) return bytes;
  throw new LongshoreError("INVALID_INPUT", `The image ${reference} is damaged: a part of it should be ${digest} and is ${found}.`, {
    hint: "Push the image again.",
  });
}

function tooLarge(reference: string, limit: number, cause?: unknown): LongshoreError {
  const message = `The image ${reference} unpacks to more than ${Math.floor(limit / 1e6)} MB, which is the limit here.`;
  return new LongshoreError("TOO_LARGE", message, {
    hint: "Make the image smaller, or choose an instance type with a larger disk.",
    cause,
  });
}

function missing(message: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", message, { hint: "Deploy the application again, or push the image." });
}
