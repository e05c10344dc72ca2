import * as fs from "node:fs";
import { isErrno, LongshoreError } from "@longshore/contract";
import { makeFifoAt, makeWhiteoutAt, setExtendedAttribute } from "../../sys/layer-calls.js";
import { ERRNO, SystemCallError } from "../../sys/libc.js";
import type { ArchiveReader, Entry } from "../archive/reader.js";
import { LayerTree, type Place, refused } from "./layer-tree.js";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Left over by a file system that images were once made with; the image format reserves the prefix. */
const RESERVED = ".wh..wh.";
const MAX_ID = 0xffff_fffe;
/** A time that every file system can hold. */
const MAX_TIME = 2 ** 33;
const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = fs.constants;

export interface UnpackResult {
  readonly entries: number;
  /** Device nodes, which are left out: a container gets its devices from the platform, not from its image. */
  readonly droppedDevices: number;
}

/**
 * Writes an archive's entries into the root directory of the calling process, which must be empty and visible to nobody else (sys/layer-calls.ts,
 * `enterRoot`), in the form of an overlay lower directory. Works synchronously: it is meant for a process that does nothing else.
 */
export class Unpacker {
  readonly #tree = new LayerTree();
  readonly #dropped = new Set<string>();
  readonly #maxEntries: number;
  #entries = 0;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /** Errors: `INVALID_INPUT`, `TOO_LARGE`, and system errors such as `ENOSPC`. */
  async unpack(archive: ArchiveReader): Promise<UnpackResult> {
    for (let entry = await archive.next(); entry !== undefined; entry = await archive.next()) {
      if (++this.#entries > this.#maxEntries) {
        throw new LongshoreError("TOO_LARGE", `It has more than ${this.#maxEntries} files.`);
      }
      try {
        await this.#add(entry, archive);
      } catch (error) {
        throw blamed(entry, error);
      }
    }
    for (const { path, node } of this.#tree.directories()) {
      if (node.mtime !== undefined) fs.utimesSync(bytes(path), node.mtime, node.mtime);
    }
    return { entries: this.#entries, droppedDevices: this.#dropped.size };
  }

  async #add(entry: Entry, archive: ArchiveReader): Promise<void> {
    const place = this.#tree.locate(entry.path, (path) => fs.mkdirSync(bytes(path), 0o755));
    if (place === undefined) {
      if (entry.kind !== "directory") throw refused(entry.path, "takes the place of the layer's root");
      this.#tree.root.mtime = time(entry);
      applyAttributes(bytes(""), entry);
    } else if (place.name.startsWith(WHITEOUT)) {
      this.#whiteout(place);
    } else if (entry.kind === "device") {
      this.#dropped.add(place.path);
    } else if (entry.kind === "directory") {
      this.#directory(place, entry);
    } else if (entry.kind === "hardlink") {
      this.#hardlink(place, entry);
    } else {
      this.#clear(place);
      if (entry.kind === "file") await writeFile(place, entry, archive);
      else if (entry.kind === "symlink") this.#symlink(place, entry);
      else fifo(place, entry);
    }
  }

  #directory(place: Place, entry: Entry): void {
    const { parent, name, path } = place;
    let node = parent.children.get(name);
    if (node === undefined || typeof node === "string") {
      const replacesWhiteout = this.#clear(place) === "whiteout";
      fs.mkdirSync(bytes(path), 0o700);
      node = { children: new Map() };
      parent.children.set(name, node);
      if (replacesWhiteout) markOpaque(path);
    }
    node.mtime = time(entry);
    applyAttributes(bytes(path), entry);
  }

  #symlink({ parent, name, path }: Place, entry: Entry): void {
    if (entry.linkPath === "" || entry.linkPath.includes("\0")) throw refused(entry.path, "is a symbolic link to nothing");
    fs.symlinkSync(Buffer.from(entry.linkPath, "latin1"), bytes(path));
    parent.children.set(name, entry.linkPath);
    fs.lchownSync(bytes(path), ...owner(entry));
    setAttributes(bytes(path), entry);
    fs.lutimesSync(bytes(path), time(entry), time(entry));
  }

  #hardlink(place: Place, entry: Entry): void {
    const target = this.#tree.locate(entry.linkPath);
    if (target === undefined) throw refused(entry.path, "is a hard link to a directory");
    if (this.#dropped.has(target.path)) {
      this.#dropped.add(place.path);
      return;
    }
    if (target.path === place.path) return;
    const node = target.parent.children.get(target.name);
    if (typeof node === "object") throw refused(entry.path, "is a hard link to a directory");
    this.#clear(place);
    // link(2) does not follow a symbolic link in the last place, and the others are resolved.
    fs.linkSync(bytes(target.path), bytes(place.path));
    if (node !== undefined) place.parent.children.set(place.name, node);
  }

  /** A whiteout speaks of the layers below; what this layer has itself stays. */
  #whiteout({ parent, name, path }: Place): void {
    const directory = path.slice(0, -name.length);
    if (name === OPAQUE) {
      markOpaque(directory.slice(0, -1));
      return;
    }
    if (name.startsWith(RESERVED)) return;
    const hidden = name.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..") throw refused(path, "is a whiteout of nothing");
    try {
      if (typeof parent.children.get(hidden) === "object") markOpaque(directory + hidden);
      else makeWhiteoutAt(bytes(directory + hidden));
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.errno !== ERRNO.EEXIST) throw error;
    }
  }

  /** Makes room for an entry: the last one of a name wins. Says what was there. */
  #clear({ parent, name, path }: Place): "nothing" | "whiteout" | "other" {
    this.#dropped.delete(path);
    const node = parent.children.get(name);
    parent.children.delete(name);
    if (typeof node === "object") {
      fs.rmSync(bytes(path), { recursive: true });
      return "other";
    }
    const status = fs.lstatSync(bytes(path), { throwIfNoEntry: false });
    if (status === undefined) return "nothing";
    fs.unlinkSync(bytes(path));
    return status.isCharacterDevice() ? "whiteout" : "other";
  }
}

async function writeFile({ path }: Place, entry: Entry, archive: ArchiveReader): Promise<void> {
  const fd = fs.openSync(bytes(path), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
  try {
    await archive.body((chunk) => {
      for (let done = 0; done < chunk.length; ) done += fs.writeSync(fd, chunk, done);
    });
    // In this order: a new owner clears the set-uid bit and capabilities.
    fs.fchownSync(fd, ...owner(entry));
    fs.fchmodSync(fd, entry.mode);
    setAttributes(bytes(path), entry);
    fs.futimesSync(fd, time(entry), time(entry));
  } finally {
    fs.closeSync(fd);
  }
}

function fifo({ path }: Place, entry: Entry): void {
  makeFifoAt(bytes(path));
  applyAttributes(bytes(path), entry);
  fs.lutimesSync(bytes(path), time(entry), time(entry));
}

function applyAttributes(path: Buffer, entry: Entry): void {
  fs.lchownSync(path, ...owner(entry));
  fs.chmodSync(path, entry.mode);
  setAttributes(path, entry);
}

/**
 * Only what a container may see and use. Above all no `trusted.overlay.*`, which the overlay file system takes orders from, and which could
 * lead it to another layer's files.
 */
function setAttributes(path: Buffer, { kind, xattrs }: Entry): void {
  for (const [name, value] of xattrs) {
    if (name === "security.capability") setExtendedAttribute(path, name, value);
    else if (name.startsWith("user.") && kind !== "symlink" && !name.startsWith("user.overlay.")) setExtendedAttribute(path, name, value);
  }
}

function markOpaque(directory: string): void {
  setExtendedAttribute(bytes(directory), "trusted.overlay.opaque", Buffer.from("y"));
}

function owner({ uid, gid, path }: Entry): [number, number] {
  if (uid > MAX_ID || gid > MAX_ID) throw refused(path, "belongs to a user or group that cannot exist");
  return [uid, gid];
}

function time({ mtime }: Entry): number {
  return Math.min(mtime, MAX_TIME);
}

function bytes(path: string): Buffer {
  return Buffer.from(path === "" ? "." : path, "latin1");
}

/** What an entry does wrong is the image's fault; a full or broken disk is not. */
function blamed(entry: Entry, error: unknown): unknown {
  if (error instanceof LongshoreError || ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE"].some((code) => isErrno(error, code))) return error;
  if (error instanceof SystemCallError && error.errno === ERRNO.ENOSPC) {
    return new LongshoreError("NO_SPACE", "The disk is full.", {
      cause: error,
      hint: "Free some space under the data directory, then try again.",
    });
  }
  return refused(entry.path, `cannot be made (${error instanceof Error ? error.message : String(error)})`, error);
}
