import { execFile } from "node:child_process";
import { mkdirSync, statfsSync } from "node:fs";
import { mkdir, mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { libcFunction, SystemCallError, unmount } from "../sys/libc.js";
import { mountImage } from "./mount-image.js";

const run = promisify(execFile);
const seek = libcFunction("long lseek(int fd, long offset, int whence)");
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

const FEATURES = "^has_journal,^resize_inode,sparse_super2";
const EXTENDED = "lazy_itable_init=1,nodiscard,packed_meta_blocks=1,root_owner=0:0";
const BYTES_PER_MB = 1_000_000;

/** An empty file system, as the few pieces of it that are not zero. */
export interface DiskTemplate {
  readonly bytes: number;
  readonly pieces: readonly { readonly offset: number; readonly content: Buffer }[];
}

/**
 * Makes an empty ext4 file system on which `df` shows `diskMb`, with the directories that an overlay needs. Takes some tens of milliseconds, once
 * for each size. `scratch` is an existing directory; nothing is left in it.
 */
export async function makeTemplate(diskMb: number, scratch: string): Promise<DiskTemplate> {
  const directory = await mkdtemp(join(scratch, "template."));
  const image = join(directory, "image");
  const mountPoint = join(directory, "mounted");
  await mkdir(mountPoint);
  try {
    const wanted = diskMb * BYTES_PER_MB;
    await format(image, wanted);
    // What the file system needs for itself comes on top.
    const usable = await measured(image, mountPoint, () => undefined);
    const bytes = Math.ceil((wanted * wanted) / usable / 4096) * 4096;
    await format(image, bytes);
    await measured(image, mountPoint, () => {
      mkdirSync(join(mountPoint, "upper"), { mode: 0o755 });
      mkdirSync(join(mountPoint, "work"));
    });
    return { bytes, pieces: await readPieces(image) };
  } finally {
    unmount(mountPoint);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Writes the template to a new file. The rest of it is holes: nothing of the host's disk is taken ahead. */
export async function writeImage({ bytes, pieces }: DiskTemplate, file: string): Promise<void> {
  await using handle = await open(file, "wx", 0o600);
  await handle.truncate(bytes);
  for (const { offset, content } of pieces) await handle.write(content, 0, content.length, offset);
}

async function format(image: string, bytes: number): Promise<void> {
  await writeFile(image, "");
  await truncate(image, bytes);
  await run("mkfs.ext4", ["-q", "-F", "-m", "0", "-b", "4096", "-O", FEATURES, "-E", EXTENDED, image], { timeout: 60_000 });
}

/** Bytes that `df` shows as the size. */
async function measured(image: string, mountPoint: string, whileMounted: () => void): Promise<number> {
  await mountImage(image, mountPoint);
  whileMounted();
  const { blocks, bsize } = statfsSync(mountPoint);
  unmountNow(mountPoint);
  return blocks * bsize;
}

const umount = libcFunction("int umount2(const char *target, int flags)");

/** Returns when the file system is written out, unlike a detached unmount. */
function unmountNow(mountPoint: string): void {
  if (umount(mountPoint, 0) !== 0) throw new SystemCallError("umount2", mountPoint);
}

async function readPieces(image: string): Promise<{ offset: number; content: Buffer }[]> {
  const pieces: { offset: number; content: Buffer }[] = [];
  await using handle = await open(image, "r");
  const fd = handle.fd;
  for (let end = 0; ; ) {
    const offset = seek(fd, end, SEEK_DATA);
    if (offset < 0) return pieces;
    end = seek(fd, offset, SEEK_HOLE);
    const content = Buffer.alloc(end - offset);
    await handle.read(content, 0, content.length, offset);
    pieces.push({ offset, content });
  }
}
