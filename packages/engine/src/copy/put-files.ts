import * as fs from "node:fs";
import { isErrno, LongshoreError, toLongshoreError } from "@longshore/contract";
import type { ArchiveReader, Entry } from "../image/archive/reader.js";
import { makeFifoAt } from "../sys/layer-calls.js";
import type { PutJob } from "./put-job.js";

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = fs.constants;
/** Ids that a container can have; what an archive says beyond is nobody's. */
const MAX_ID = 65_535;
const MAX_TIME = 2 ** 33;

/**
 * Writes an archive's entries below the current directory of a process whose root is a container's. The kernel keeps every name inside that root,
 * so links of the container may lead wherever they like; names with `..` are refused nevertheless. Nothing that exists is opened for writing: a file takes
 * the place of the one before it. Device nodes are left out. Works synchronously: for a process that does nothing else.
 */
export class FilePutter {
  readonly #job: PutJob;

  constructor(job: PutJob) {
    this.#job = job;
  }

  /** Returns the number of entries. Errors: `INVALID_INPUT`, `CONFLICT` (kinds that do not go together), `NO_SPACE`. */
  async put(archive: ArchiveReader): Promise<number> {
    let entries = 0;
    const times: [path: Buffer, time: number][] = [];
    for (let entry = await archive.next(); entry !== undefined; entry = await archive.next()) {
      entries++;
      const path = relative(entry.path);
      if (path === "" || entry.kind === "device") continue;
      try {
        this.#makeParents(path);
        await this.#add(bytes(path), entry, archive);
      } catch (error) {
        throw blamed(entry, error);
      }
      if (entry.kind === "directory") times.push([bytes(path), time(entry)]);
    }
    for (const [path, at] of times) fs.lutimesSync(path, at, at);
    return entries;
  }

  async #add(path: Buffer, entry: Entry, archive: ArchiveReader): Promise<void> {
    if (this.#clear(path, entry)) {
      // The directory is there.
    } else if (entry.kind === "directory") fs.mkdirSync(path, 0o700);
    else if (entry.kind === "symlink") fs.symlinkSync(Buffer.from(entry.linkPath, "latin1"), path);
    else if (entry.kind === "fifo") makeFifoAt(path);
    else if (entry.kind === "hardlink") return fs.linkSync(bytes(relative(entry.linkPath)), path);
    else return await this.#file(path, entry, archive);
    fs.lchownSync(path, ...this.#owner(entry));
    if (entry.kind !== "symlink") fs.chmodSync(path, entry.mode);
    fs.lutimesSync(path, time(entry), time(entry));
  }

  async #file(path: Buffer, entry: Entry, archive: ArchiveReader): Promise<void> {
    const fd = fs.openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
    try {
      await archive.body((chunk) => {
        for (let done = 0; done < chunk.length; ) done += fs.writeSync(fd, chunk, done);
      });
      // In this order: a new owner clears the set-uid bit.
      fs.fchownSync(fd, ...this.#owner(entry));
      fs.fchmodSync(fd, entry.mode);
      fs.futimesSync(fd, time(entry), time(entry));
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Makes room for an entry. Returns true when it is a directory that is there. */
  #clear(path: Buffer, { kind }: Entry): boolean {
    const present = fs.lstatSync(path, { throwIfNoEntry: false });
    if (present === undefined) return false;
    if (present.isDirectory() && kind === "directory") return true;
    if (present.isDirectory() || (kind === "directory" && this.#job.keepKinds)) {
      throw new LongshoreError("CONFLICT", `${path} is ${present.isDirectory() ? "a" : "no"} directory in the container.`);
    }
    fs.unlinkSync(path);
    return false;
  }

  #makeParents(path: string): void {
    for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
      const parent = bytes(path.slice(0, slash));
      if (fs.statSync(parent, { throwIfNoEntry: false }) !== undefined) continue;
      fs.mkdirSync(parent, 0o755);
      fs.lchownSync(parent, this.#job.idBase, this.#job.idBase);
    }
  }

  #owner(entry: Entry): [number, number] {
    const { idBase, owner = entry } = this.#job;
    return [idBase + Math.min(owner.uid, MAX_ID), idBase + Math.min(owner.gid, MAX_ID)];
  }
}

/** Names are below the directory that the archive is put into, whatever they begin with. Errors: `INVALID_INPUT`. */
function relative(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || path.includes("\0"))
    throw new LongshoreError("INVALID_INPUT", `The archive's name "${path}" leads out of it.`);
  return parts.join("/");
}

function bytes(path: string): Buffer {
  return Buffer.from(path, "latin1");
}

function time({ mtime }: Entry): number {
  return Math.min(mtime, MAX_TIME);
}

function blamed(entry: Entry, error: unknown): LongshoreError {
  if (error instanceof LongshoreError) return error;
  if (isErrno(error, "ENOSPC") || isErrno(error, "EDQUOT")) {
    return new LongshoreError("NO_SPACE", `The container's disk is full (writing ${entry.path}).`, { cause: error });
  }
  if (isErrno(error, "EROFS") || isErrno(error, "EBUSY") || isErrno(error, "EPERM") || isErrno(error, "ENOTDIR")) {
    return new LongshoreError("CONFLICT", `${entry.path} cannot be written in the container: ${String(error)}`, { cause: error });
  }
  return toLongshoreError(error, `writing ${entry.path}`);
}
