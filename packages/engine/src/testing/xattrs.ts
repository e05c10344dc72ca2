import { libcFunction } from "../sys/libc.js";

const list = libcFunction("long llistxattr(const char *path, void *list, size_t size)");

/** Names of a file's extended attributes; a symbolic link is not followed. */
export function attributeNames(path: string): string[] {
  const names = Buffer.alloc(64 * 1024);
  const length = list(path, names, names.length);
  return names
    .toString("latin1", 0, Math.max(0, Number(length)))
    .split("\0")
    .filter((name) => name !== "")
    .sort();
}
