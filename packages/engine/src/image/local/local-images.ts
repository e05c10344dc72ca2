import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError, toLongshoreError } from "@longshore/contract";
import { type Descriptor, parseConfig, parseManifest } from "../manifest.js";
import type { ImageSource } from "../types.js";
import { ArchiveFiles } from "./archive-files.js";
import { type ArchivedImage, imagesIn } from "./archive-images.js";
import { LocalBlobs } from "./blobs.js";
import { copyImage, type LayerProgress } from "./copy-image.js";
import { type LocalImage, LocalIndex, withImage } from "./index-file.js";
import { digestInReference, localName, localReference } from "./name.js";

/** What taking an image, or only a name of it, away came to. */
export interface RemovedImage {
  readonly untagged: readonly string[];
  /** The digest, when the image itself is gone. */
  readonly deleted: string | undefined;
}

export interface RemoveOptions {
  /** Takes an image away by its digest although it has several names, or although it is in use. */
  readonly force?: boolean;
  /** Why an image must stay, if it must. */
  readonly usedBy?: (digest: string) => string | undefined;
}

/**
 * Images that were loaded, built or pulled on this machine and are in no registry of it: their blobs on disk, and what they are called. The image
 * store unpacks them like any other, by {@link LocalImages.reference}.
 *
 * Bytes are on the disk before the index names them, and the index is one file that is replaced whole: a crash at any moment leaves the old
 * state or the new one, and at most some blobs that {@link open} removes.
 */
export class LocalImages implements ImageSource {
  readonly #blobs: LocalBlobs;
  readonly #index: LocalIndex;
  /** Changes come one after the other: a blob that is about to be named must not be removed as nobody's. */
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(blobs: LocalBlobs, index: LocalIndex) {
    this.#blobs = blobs;
    this.#index = index;
  }

  /** Errors: `INTERNAL` for a damaged index. */
  static async open(directory: string): Promise<LocalImages> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const images = new LocalImages(await LocalBlobs.open(directory), await LocalIndex.open(join(directory, "index.json")));
    await images.#sweep();
    return images;
  }

  list(): readonly LocalImage[] {
    return this.#index.images;
  }

  /** An image by name (`latest` when there is no tag), by digest, or by the first digits of it if no other begins so. */
  find(text: string): LocalImage | undefined {
    const { images } = this.#index;
    const hex = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1];
    const byDigest = hex === undefined ? [] : images.filter(({ digest }) => digest.startsWith(`sha256:${hex}`));
    return this.#named(text) ?? (byDigest.length === 1 ? byDigest[0] : undefined);
  }

  /** Errors: `NOT_FOUND`. */
  require(text: string): LocalImage {
    const image = this.find(text);
    if (image !== undefined) return image;
    throw new LongshoreError("NOT_FOUND", `No such image: ${text}`);
  }

  /** What the image store is to be asked for. */
  reference(image: LocalImage): string {
    return localReference(image.digest);
  }

  /**
   * Takes in every image of an archive (`docker save`'s form, or an OCI layout; not compressed). Names move to what comes.
   * Errors: `INVALID_INPUT`, `UNSUPPORTED` (other platform), `NO_SPACE`; then nothing has changed.
   */
  async load(archive: AsyncIterable<Buffer>): Promise<LocalImage[]> {
    await using workspace = await this.#blobs.workspace();
    try {
      const files = await ArchiveFiles.receive(archive, workspace.directory);
      const found = await imagesIn(files, (digest) => this.#blobs.present(digest));
      const loaded: LocalImage[] = [];
      for (const image of found) loaded.push(await this.#take(workspace.directory, image));
      return loaded;
    } catch (error) {
      throw toLongshoreError(error, "loading an image archive");
    }
  }

  /**
   * Copies an image from elsewhere and gives it a name, if there is one. `progress` is told of each layer's bytes as they come.
   * Errors: those of the source, `NOT_FOUND`, `UNSUPPORTED`, `INVALID_INPUT` (damaged), `NO_SPACE`.
   */
  async copy(source: ImageSource, reference: string, name: string | undefined, progress?: LayerProgress): Promise<LocalImage> {
    const names = name === undefined ? [] : [localName(name)];
    await using workspace = await this.#blobs.workspace();
    try {
      const copied = await copyImage(source, reference, this.#blobs, workspace.directory, progress);
      return await this.#take(workspace.directory, { names, ...copied });
    } catch (error) {
      throw toLongshoreError(error, `pulling ${reference}`);
    }
  }

  /** Gives an image one more name, which until now may have been another's. Errors: `NOT_FOUND`, `INVALID_INPUT`. */
  async tag(text: string, name: string): Promise<LocalImage> {
    const added = localName(name);
    return await this.#change(async () => {
      const image = { ...this.require(text), names: [added] };
      await this.#index.replace(withImage(this.#index.images, image));
      await this.#sweepBlobs();
      return this.require(image.digest);
    });
  }

  /**
   * Takes a name away, and with the last one the image. By its digest, an image with one name goes, or with `force` any.
   * Errors: `NOT_FOUND`, `CONFLICT` (in use, several names).
   */
  async remove(text: string, { force = false, usedBy = () => undefined }: RemoveOptions = {}): Promise<RemovedImage> {
    return await this.#change(async () => {
      const image = this.require(text);
      const byName = this.#named(text) !== undefined;
      if (!byName && image.names.length > 1 && !force) {
        throw new LongshoreError("CONFLICT", `The image ${text} has several names: ${image.names.join(", ")}.`, {
          hint: "Remove them one by one, or all with --force.",
        });
      }
      const left = byName ? image.names.filter((name) => name !== localName(text)) : [];
      const user = left.length === 0 && !force ? usedBy(image.digest) : undefined;
      if (user !== undefined) throw new LongshoreError("CONFLICT", `The image ${text} is used by ${user}.`);
      const others = this.#index.images.filter(({ digest }) => digest !== image.digest);
      await this.#index.replace(left.length === 0 ? others : [...others, { ...image, names: left }]);
      await this.#sweepBlobs();
      const untagged = image.names.filter((name) => !left.includes(name));
      return { untagged, deleted: left.length === 0 ? image.digest : undefined };
    });
  }

  /** As an {@link ImageSource}: references that {@link reference} has made, and nothing else. */
  async manifest(reference: string): Promise<{ digest: string; bytes: Buffer } | undefined> {
    const digest = digestInReference(reference);
    const known = digest !== undefined && this.#index.images.some((image) => image.digest === digest);
    const bytes = known ? await this.#blobs.read(digest) : undefined;
    return digest === undefined || bytes === undefined ? undefined : { digest, bytes };
  }

  async blob(digest: string): Promise<NodeJS.ReadableStream | undefined> {
    return await this.#blobs.stream(digest);
  }

  /** A layer that is here in some form, by the digest of its plain bytes: it need not be in an archive for {@link load}. */
  async layer(diffId: string): Promise<Descriptor | undefined> {
    for (const image of this.#index.images) {
      const manifest = parseManifest(await this.document(image.digest), image.digest);
      if ("platform" in manifest) continue;
      const { diffIds } = parseConfig(await this.document(manifest.config.digest), image.digest);
      const position = diffIds.indexOf(diffId);
      if (position >= 0) return manifest.layers[position];
    }
    return undefined;
  }

  /** The bytes of an image's manifest or configuration. Errors: `INTERNAL` when they are gone. */
  async document(digest: string): Promise<Buffer> {
    const bytes = await this.#blobs.read(digest);
    if (bytes === undefined) throw new LongshoreError("INTERNAL", `The part ${digest} of a local image is gone from the disk.`);
    return bytes;
  }

  #named(text: string): LocalImage | undefined {
    let name: string;
    try {
      name = localName(text);
    } catch (error) {
      // What cannot be a name may be a digest.
      if (error instanceof LongshoreError) return undefined;
      throw error;
    }
    return this.#index.images.find(({ names }) => names.includes(name));
  }

  async #take(directory: string, { names, manifest, parts }: ArchivedImage): Promise<LocalImage> {
    const all = [await this.#blobs.write(directory, manifest), ...parts];
    const unique = [...new Map(all.map((blob) => [blob.digest, blob])).values()];
    return await this.#change(async () => {
      for (const blob of unique) await this.#blobs.keep(blob);
      const digest = all[0]?.digest ?? "";
      const image: LocalImage = {
        digest,
        names,
        at: new Date().toISOString(),
        blobs: unique.map((blob) => blob.digest),
        sizeBytes: unique.reduce((sum, { size }) => sum + size, 0),
      };
      await this.#index.replace(withImage(this.#index.images, image));
      await this.#sweepBlobs();
      return this.require(digest);
    });
  }

  /** Forgets images that lack a part, as after a failure of the disk, and removes parts that no image has. */
  async #sweep(): Promise<void> {
    const whole: LocalImage[] = [];
    for (const image of this.#index.images) {
      const sizes = await Promise.all(image.blobs.map((digest) => this.#blobs.size(digest)));
      if (sizes.every((size) => size !== undefined)) whole.push(image);
    }
    if (whole.length < this.#index.images.length) await this.#index.replace(whole);
    await this.#sweepBlobs();
  }

  async #sweepBlobs(): Promise<void> {
    await this.#blobs.retain(new Set(this.#index.images.flatMap(({ blobs }) => blobs)));
  }

  async #change<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work);
    this.#changing = done.then(nothing, nothing);
    return await done;
  }
}

function nothing(): void {
  // Whoever asked for a change is told how it went.
}
