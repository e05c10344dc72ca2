import type { BigIntStats } from "node:fs";
import type { ObjectInfo } from "@longshore/contract";

/**
 * The modification times given to objects, in seconds since 1970: later than all before.
 *
 * An etag is inode, modification time and size, so that `head` needs no read and no second file that could disagree. The kernel's own times
 * advance only every few milliseconds and inodes are used again, so two quick writes could look alike; times from here never do.
 */
export class VersionClock {
  #microseconds = 0;

  next(): number {
    // Two, because what reaches the file is cut to microseconds after a multiplication that may round down.
    this.#microseconds = Math.max(this.#microseconds + 2, Date.now() * 1000);
    return this.#microseconds / 1_000_000;
  }
}

/** What the file system knows of an object. */
export function infoOf(key: string, file: BigIntStats): ObjectInfo {
  return { key, size: Number(file.size), etag: `${file.ino.toString(36)}-${file.mtimeNs.toString(36)}-${file.size.toString(36)}` };
}
