import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import koffi from "koffi";
import { ERRNO, libcFunction, SystemCallError } from "./libc.js";

const openat2Call = libcFunction("long syscall(long number, int directory, const char *path, const void *how, size_t size)");

const SYS_OPENAT2 = 437;
const HOW_BYTES = 24;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const RESOLVE_NO_XDEV = 0x01;
/** The capability's bit in a process's sets. */
const CAP_SYS_ADMIN = 1n << 21n;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
/** What "there is no such file" looks like, whoever rearranges the tree meanwhile. */
const ABSENT = new Set([ERRNO.ENOENT, ERRNO.ENOTDIR, ERRNO.ELOOP, ERRNO.EACCES, ERRNO.ENXIO, ERRNO.EXDEV, ERRNO.ENAMETOOLONG]);
const SMALL_FILE_BYTES = 1024 * 1024;

/**
 * Opens a path as a process whose root is `root` would see it. The kernel resolves it, so a container that swaps links meanwhile cannot lead
 * out of its root. Returns `undefined` when nothing is there, or when it lies behind a mount and `mountsFollowed` is false.
 * The caller closes what it gets.
 */
export function openInRoot(root: string, path: string, flags: number, mountsFollowed = followsMounts(root)): number | undefined {
  const directory = openSync(root, O_PATH | constants.O_DIRECTORY);
  try {
    const { fd, errno } = openAt(directory, path, flags, mountsFollowed ? 0 : RESOLVE_NO_XDEV);
    if (fd >= 0) return fd;
    if (ABSENT.has(errno)) return undefined;
    throw new SystemCallError("openat2", path, errno);
  } finally {
    closeSync(directory);
  }
}

function openAt(directory: number, path: string, flags: number, also: number): { fd: number; errno: number } {
  const how = Buffer.alloc(HOW_BYTES);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | also), 16);
  const fd = Number(openat2Call(SYS_OPENAT2, directory, path, how, HOW_BYTES));
  return { fd, errno: fd >= 0 ? 0 : koffi.errno() };
}

/**
 * False for the root (`/proc/<pid>/root`) of a container that can mount file systems. One that its own program serves may never answer, and the engine would
 * wait with it: FUSE itself shows nothing to outsiders, but an overlay on top of it does.
 */
export function followsMounts(root: string): boolean {
  const process = /^(\/proc\/\d+)\/root$/.exec(root)?.[1];
  if (process === undefined) return true;
  const bounding = /^CapBnd:\t([0-9a-f]+)$/m.exec(readFileSync(`${process}/status`, "latin1"))?.[1] ?? "0";
  return (BigInt(`0x${bounding}`) & CAP_SYS_ADMIN) === 0n;
}

export type FileKind = "file" | "directory" | "other";

/** What is at a path inside a root, and whether anyone may execute it; `undefined` when nothing is, `"hidden"` when only the container can tell. */
export function statInRoot(root: string, path: string): { kind: FileKind; executable: boolean } | "hidden" | undefined {
  const mountsFollowed = followsMounts(root);
  const fd = openInRoot(root, path, O_PATH, mountsFollowed);
  if (fd === undefined) return mountsFollowed ? undefined : hiddenOrAbsent(root, path);
  try {
    const status = fstatSync(fd);
    const kind = status.isFile() ? "file" : status.isDirectory() ? "directory" : "other";
    return { kind, executable: kind === "file" && (status.mode & 0o111) !== 0 };
  } finally {
    closeSync(fd);
  }
}

function hiddenOrAbsent(root: string, path: string): "hidden" | undefined {
  const directory = openSync(root, O_PATH | constants.O_DIRECTORY);
  try {
    return openAt(directory, path, O_PATH, RESOLVE_NO_XDEV).errno === ERRNO.EXDEV ? "hidden" : undefined;
  } finally {
    closeSync(directory);
  }
}

/** The beginning of a regular file inside a root; empty when it is not there. Never waits, whatever the container puts at the path. */
export function readBeginInRoot(root: string, path: string, bytes = SMALL_FILE_BYTES): Buffer {
  const fd = openInRoot(root, path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  if (fd === undefined) return Buffer.alloc(0);
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) return Buffer.alloc(0);
    const content = Buffer.alloc(Math.min(bytes, status.size));
    return content.subarray(0, readSync(fd, content, 0, content.length, 0));
  } finally {
    closeSync(fd);
  }
}
