import { createHash, randomUUID } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { ArchiveReader } from "../archive/reader.js";
import { type ArrivedBlob, digestOf } from "./blobs.js";

/** Manifests and configurations are small; the registry's own limit is the same. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** An image has at most 127 layers, and an archive a handful of images. */
const MAX_FILES = 10_000;
const MAX_LINKS = 8;

/** The files of an image archive. Their names are only looked up, never used as paths. */
export class ArchiveFiles {
  readonly #files = new Map<string, ArrivedBlob>();
  readonly #links = new Map<string, string>();

  /** Writes every file of the archive into `directory`, under a name of its own. Errors: `INVALID_INPUT`, `NO_SPACE`. */
  static async receive(archive: AsyncIterable<Buffer>, directory: string): Promise<ArchiveFiles> {
    const found = new ArchiveFiles();
    const reader = new ArchiveReader(archive);
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      const path = normal(entry.path);
      if (entry.kind === "symlink") found.#links.set(path, normal(posix.join(posix.dirname(path), entry.linkPath)));
      else if (entry.kind === "hardlink") found.#links.set(path, normal(entry.linkPath));
      else if (entry.kind === "file") found.#files.set(path, await writeBody(reader, join(directory, randomUUID())));
      if (found.#files.size + found.#links.size > MAX_FILES) {
        throw new LongshoreError("INVALID_INPUT", `The image archive has more than ${MAX_FILES} files.`);
      }
    }
    return found;
  }

  /** The file of a name, through links within the archive; `undefined` when there is none. */
  find(name: string): ArrivedBlob | undefined {
    let path = normal(name);
    for (let links = 0; links < MAX_LINKS; links++) {
      const file = this.#files.get(path);
      const target = this.#links.get(path);
      if (file !== undefined || target === undefined) return file;
      path = target;
    }
    return undefined;
  }

  /** Errors: `INVALID_INPUT`. */
  require(name: string): ArrivedBlob {
    const file = this.find(name);
    if (file === undefined) throw new LongshoreError("INVALID_INPUT", `The image archive names "${name}" but does not have it.`);
    return file;
  }

  /** A small file. Errors: `INVALID_INPUT`. */
  async document(name: string): Promise<Buffer> {
    return await readDocument(this.require(name), name);
  }
}

/** A small file of an image. Errors: `INVALID_INPUT`. */
export async function readDocument({ file, size }: ArrivedBlob, name: string): Promise<Buffer> {
  if (size > MAX_DOCUMENT_BYTES) throw new LongshoreError("INVALID_INPUT", `"${name}" in the image archive is too large.`);
  return await readFile(file);
}

function normal(path: string): string {
  return posix.normalize(`/${path}`).slice(1);
}

async function writeBody(reader: ArchiveReader, file: string): Promise<ArrivedBlob> {
  const hash = createHash("sha256");
  let size = 0;
  const fd = openSync(file, "wx", 0o600);
  try {
    // In the page cache this takes as long as copying the bytes.
    await reader.body((chunk) => {
      hash.update(chunk);
      size += chunk.length;
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
    });
  } finally {
    closeSync(fd);
  }
  return { file, digest: digestOf(hash), size };
}
