import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { link, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isErrno } from "@longshore/contract";
import { hexOf } from "./name.js";

/** Bytes that have arrived and have no name yet. Disposing of it removes the file; {@link LocalBlobs.keep} gives it another name first. */
export interface ArrivedBlob {
  readonly file: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * Blobs of local images, one file each, named by digest. A file appears whole, with its bytes on the disk. What is on the way is in a directory
 * of its own, which is emptied when the store is opened.
 */
export class LocalBlobs {
  readonly #directory: string;
  readonly #arriving: string;

  private constructor(directory: string) {
    this.#directory = join(directory, "blobs");
    this.#arriving = join(directory, "arriving");
  }

  static async open(directory: string): Promise<LocalBlobs> {
    const blobs = new LocalBlobs(directory);
    await rm(blobs.#arriving, { recursive: true, force: true });
    for (const path of [blobs.#directory, blobs.#arriving]) await mkdir(path, { recursive: true, mode: 0o700 });
    return blobs;
  }

  /** A new directory for files on their way in. Disposing removes it, with what is still there. */
  async workspace(): Promise<AsyncDisposable & { readonly directory: string }> {
    const directory = join(this.#arriving, randomUUID());
    await mkdir(directory, { mode: 0o700 });
    return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
  }

  /** Keeps a file that has arrived under its digest. Its bytes are on the disk before it has the name. */
  async keep({ file, digest }: ArrivedBlob): Promise<void> {
    const handle = await open(file, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    try {
      await link(file, this.#file(digest));
    } catch (error) {
      // The same bytes are there already.
      if (!isErrno(error, "EEXIST")) throw error;
    }
  }

  /** A blob that is here, as if it had arrived once more; `undefined` when it is not. */
  async present(digest: string): Promise<ArrivedBlob | undefined> {
    const size = await this.size(digest);
    return size === undefined ? undefined : { file: this.#file(digest), digest, size };
  }

  /** Writes small bytes into a workspace. */
  async write(directory: string, bytes: Buffer): Promise<ArrivedBlob> {
    return await this.receive(
      directory,
      (async function* () {
        yield bytes;
      })(),
    );
  }

  /** Writes a stream into a workspace; `progress` is told how many bytes have come. */
  async receive(directory: string, source: AsyncIterable<Buffer>, progress?: (bytes: number) => void): Promise<ArrivedBlob> {
    const file = join(directory, randomUUID());
    const hash = createHash("sha256");
    let size = 0;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        size += chunk.length;
        progress?.(size);
        done(null, chunk);
      },
    });
    await pipeline(source, meter, createWriteStream(file, { mode: 0o600 }));
    return { file, digest: digestOf(hash), size };
  }

  /** The bytes, as a stream; `undefined` when they are not here. */
  async stream(digest: string): Promise<NodeJS.ReadableStream | undefined> {
    return (await this.size(digest)) === undefined ? undefined : createReadStream(this.#file(digest), { highWaterMark: 256 * 1024 });
  }

  /** The bytes of a small blob; `undefined` when they are not here. */
  async read(digest: string): Promise<Buffer | undefined> {
    return await unlessAbsent(readFile(this.#file(digest)));
  }

  async size(digest: string): Promise<number | undefined> {
    return (await unlessAbsent(stat(this.#file(digest))))?.size;
  }

  /** Removes every blob whose digest is not in `keep`. */
  async retain(keep: ReadonlySet<string>): Promise<void> {
    const files = new Set([...keep].map(hexOf));
    for (const name of await readdir(this.#directory)) if (!files.has(name)) await rm(join(this.#directory, name), { force: true });
  }

  #file(digest: string): string {
    return join(this.#directory, hexOf(digest));
  }
}

export function digestOf(hash: Hash): string {
  return `sha256:${hash.digest("hex")}`;
}

async function unlessAbsent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
