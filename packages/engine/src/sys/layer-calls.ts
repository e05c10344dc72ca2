import koffi from "koffi";
import { libcFunction, SystemCallError } from "./libc.js";

/** System calls for unpacking layers. Paths are bytes, since an archive's names need not be text. */
const chrootCall = libcFunction("int chroot(const char *path)");
const mknodCall = libcFunction("int mknod(const void *path, unsigned int mode, unsigned long device)");
const setxattrCall = libcFunction("int lsetxattr(const void *path, const char *name, const void *value, size_t size, int flags)");

const S_IFCHR = 0o020000;
const S_IFIFO = 0o010000;

/**
 * Makes a directory the whole file system of this process, for good. Nothing outside has a name any more, so no bug in what handles untrusted
 * names can reach it.
 */
export function enterRoot(directory: string): void {
  process.chdir(directory);
  check(chrootCall("."), "chroot", directory);
  process.chdir("/");
}

/** The overlay file system's mark for "this name is deleted here": a character device 0:0. */
export function makeWhiteoutAt(path: Buffer): void {
  check(mknodCall(terminated(path), S_IFCHR, 0), "mknod", path);
}

export function makeFifoAt(path: Buffer): void {
  check(mknodCall(terminated(path), S_IFIFO | 0o600, 0), "mknod", path);
}

/** Sets an extended attribute; a symbolic link is not followed. */
export function setExtendedAttribute(path: Buffer, name: string, value: Buffer): void {
  // koffi wants memory to point at, also for no bytes.
  const bytes = value.length === 0 ? Buffer.alloc(1) : value;
  check(setxattrCall(terminated(path), name, bytes, value.length, 0), "lsetxattr", path);
}

function check(result: number, call: string, subject: string | Buffer): void {
  if (result === 0) return;
  // At once: whatever else runs may set it again.
  const errno = koffi.errno();
  throw new SystemCallError(call, subject.toString(), errno);
}

function terminated(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.of(0)]);
}
