import { open, readFile, rename } from "node:fs/promises";
import { isErrno, LongshoreError } from "@longshore/contract";
import { z } from "zod";

const entry = z.object({
  digest: z.string(),
  names: z.array(z.string()),
  at: z.string(),
  blobs: z.array(z.string()),
  sizeBytes: z.number(),
});
const content = z.object({ images: z.array(entry) });

/** An image whose bytes are on this machine, beside every registry. */
export interface LocalImage {
  /** Digest of its manifest, which is the one for this machine's platform. */
  readonly digest: string;
  /** As `localName` writes them, with tags. None: it is known by its digest. */
  readonly names: readonly string[];
  /** When it came, RFC 3339. */
  readonly at: string;
  /** Digests of all that belongs to it: manifest, configuration, layers. */
  readonly blobs: readonly string[];
  /** Bytes of these together. */
  readonly sizeBytes: number;
}

/** Which images are here and what they are called: one file, replaced by rename, so that a name moves from one image to another in one step. */
export class LocalIndex {
  readonly #file: string;
  #images: readonly LocalImage[];

  private constructor(file: string, images: readonly LocalImage[]) {
    this.#file = file;
    this.#images = images;
  }

  /** Errors: `INTERNAL` when the file is not what this program writes. */
  static async open(file: string): Promise<LocalIndex> {
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return new LocalIndex(file, []);
      throw error;
    }
    try {
      return new LocalIndex(file, content.parse(JSON.parse(text)).images);
    } catch (cause) {
      throw new LongshoreError("INTERNAL", `The list of local images in ${file} cannot be read.`, {
        cause,
        hint: "Remove it; images that were loaded or built on this machine must then be loaded or built again.",
      });
    }
  }

  get images(): readonly LocalImage[] {
    return this.#images;
  }

  /** Durable when it resolves. One call at a time. */
  async replace(images: readonly LocalImage[]): Promise<void> {
    const partial = `${this.#file}.partial`;
    const handle = await open(partial, "w", 0o600);
    try {
      await handle.writeFile(JSON.stringify({ images }));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, this.#file);
    this.#images = images;
  }
}

/** The images once `added` is there: names that it brings are nobody else's any more, and an image that lost its last name to it is gone. */
export function withImage(images: readonly LocalImage[], added: LocalImage): LocalImage[] {
  const present = images.find(({ digest }) => digest === added.digest);
  const names = [...new Set([...(present?.names ?? []), ...added.names])];
  const others = images
    .filter(({ digest }) => digest !== added.digest)
    .map((image) => ({ image, left: image.names.filter((name) => !names.includes(name)) }))
    .filter(({ image, left }) => left.length > 0 || image.names.length === 0)
    .map(({ image, left }) => ({ ...image, names: left }));
  return [...others, { ...added, names }];
}
