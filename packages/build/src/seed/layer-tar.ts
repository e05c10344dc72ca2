/** Writes a layer as a ustar archive that depends on nothing but its entries: sorted, one time stamp, root as owner unless said otherwise. */
import { createHash } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import { LongshoreError } from "@longshore/contract";

/** One path of a layer. `path` is relative, without a leading or trailing slash. */
export type LayerEntry = { readonly path: string; readonly mode?: number; readonly owner?: number } & (
  | { readonly directory: true }
  | { readonly symlink: string }
  | { readonly content: string }
  /** Copied from this file of the machine. */
  | { readonly copyOf: string }
);

export interface WrittenLayer {
  /** `sha256:…` of the archive. */
  readonly digest: string;
  /** Bytes of the archive. */
  readonly size: number;
}

/** 2020-01-01T00:00:00Z. Some programs take the year 1970 for "no time". */
export const SEED_TIME = new Date("2020-01-01T00:00:00Z");

export const BLOCK = 512;
const CHUNK = 1024 * 1024;

/**
 * Appends the entries, with any parent directories that they lack, as one archive. Errors: `UNSUPPORTED` for a path that ustar cannot hold,
 * `CONFLICT` when a file changes while it is read.
 */
export async function writeLayer(output: FileHandle, entries: readonly LayerEntry[]): Promise<WrittenLayer> {
  const hash = createHash("sha256");
  let size = 0;
  const write = async (bytes: Buffer) => {
    hash.update(bytes);
    size += bytes.length;
    await output.write(bytes);
  };
  for (const entry of withParents(entries)) {
    if ("copyOf" in entry) {
      const { size: length } = await stat(entry.copyOf);
      await write(tarHeader(entry, length));
      let copied = 0;
      for await (const chunk of fileChunks(entry.copyOf)) {
        copied += chunk.length;
        await write(chunk);
      }
      if (copied !== length) throw new LongshoreError("CONFLICT", `${entry.copyOf} changed while it was read.`, { hint: "Try again." });
      await write(padding(length));
    } else {
      await write(smallEntry(entry));
    }
  }
  await write(endOfArchive());
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

/** An entry whose bytes are at hand: header, content and padding. */
export function smallEntry(entry: Exclude<LayerEntry, { copyOf: string }>): Buffer {
  const content = Buffer.from("content" in entry ? entry.content : "");
  return Buffer.concat([tarHeader(entry, content.length), content, padding(content.length)]);
}

/** What an archive ends with. */
export function endOfArchive(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

/** Sorted by path, so that a directory comes before what is in it; a later entry for the same path wins. */
function withParents(entries: readonly LayerEntry[]): LayerEntry[] {
  const all = new Map<string, LayerEntry>();
  for (const { path } of entries) {
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join("/");
      all.set(parent, { path: parent, directory: true });
    }
  }
  for (const entry of entries) all.set(entry.path, entry);
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function* fileChunks(path: string): AsyncGenerator<Buffer> {
  await using input = await open(path, "r");
  for (;;) {
    const buffer = Buffer.allocUnsafe(CHUNK);
    const { bytesRead } = await input.read(buffer, 0, CHUNK);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Zeros up to the next multiple of 512 bytes. */
export function padding(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

/** The 512 bytes before an entry's content of `size` bytes. */
export function tarHeader(entry: LayerEntry, size: number): Buffer {
  const isDirectory = "directory" in entry;
  const isLink = "symlink" in entry;
  const [prefix, name] = splitPath(isDirectory ? `${entry.path}/` : entry.path);
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write(octal(entry.mode ?? (isDirectory ? 0o755 : isLink ? 0o777 : 0o644), 8), 100);
  block.write(octal(entry.owner ?? 0, 8), 108);
  block.write(octal(entry.owner ?? 0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(SEED_TIME.getTime() / 1000, 12), 136);
  block.write("        ", 148);
  block.write(isDirectory ? "5" : isLink ? "2" : "0", 156);
  if (isLink) {
    if (Buffer.byteLength(entry.symlink) > 100) throw tooLong(entry.symlink);
    block.write(entry.symlink, 157);
  }
  block.write("ustar\0", 257, "latin1");
  block.write("00", 263);
  block.write(prefix, 345);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, "0");
}

/** ustar has 100 bytes for the end of a path and 155 for what is before it, split at a slash. */
function splitPath(path: string): [prefix: string, name: string] {
  if (Buffer.byteLength(path) <= 100) return ["", path];
  for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (name !== "" && Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return [prefix, name];
  }
  throw tooLong(path);
}

function tooLong(path: string): LongshoreError {
  return new LongshoreError("UNSUPPORTED", `The path ${path} is too long for a seed image.`);
}
