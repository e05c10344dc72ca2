import { extendedAttributes, extendHeader, parsePax, sparse } from "./extended.js";
import { BLOCK, notAnArchive, parseHeader, type RawHeader } from "./header.js";

export type EntryKind = "file" | "hardlink" | "symlink" | "device" | "directory" | "fifo";

/** One file of an archive. Paths are bytes in a `latin1` string, exactly as the archive has them: nothing is checked yet. */
export interface Entry extends Omit<RawHeader, "type"> {
  readonly kind: EntryKind;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

const KINDS: Readonly<Record<string, EntryKind>> = {
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "device",
  "4": "device",
  "5": "directory",
  "6": "fifo",
};

/** Names and attributes of one entry together; Linux allows 4 KiB of path and 64 KiB of attributes. */
const MAX_EXTENSION_BYTES = 256 * 1024;

/**
 * Reads a tar archive (POSIX, pax, GNU long names) from chunks of any size. Order of calls: {@link next}, then at most once {@link body}, and so on;
 * a body that was not read is skipped. After `undefined` the source is read to its end.
 */
export class ArchiveReader {
  readonly #source: AsyncIterator<Buffer>;
  #buffered: Buffer = Buffer.alloc(0);
  #bodyLeft = 0;
  #padding = 0;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next entry, or `undefined` at the end. Errors: `INVALID_INPUT`, and what the source throws. */
  async next(): Promise<Entry | undefined> {
    const records = new Map<string, string>();
    for (;;) {
      await this.#skipBody();
      const block = await this.#take(BLOCK);
      const header = block === undefined ? undefined : parseHeader(block);
      if (header === undefined) {
        await this.#drain();
        return undefined;
      }
      if (header.type === "x") parsePax(await this.#meta(header), records);
      else if (header.type === "L") records.set("path", cString(await this.#meta(header)));
      else if (header.type === "K") records.set("linkpath", cString(await this.#meta(header)));
      // A global header holds comments; the image format gives it no meaning.
      else if (header.type === "g") this.#expectBody(header.size);
      else return this.#entry(header, records);
    }
  }

  /** Hands the current entry's bytes to `sink`, in pieces that are only valid during the call. */
  async body(sink: (chunk: Buffer) => void): Promise<void> {
    while (this.#bodyLeft > 0) {
      if (this.#buffered.length === 0 && !(await this.#more())) throw notAnArchive("it ends in the middle of a file");
      const chunk = this.#buffered.subarray(0, this.#bodyLeft);
      this.#buffered = this.#buffered.subarray(chunk.length);
      this.#bodyLeft -= chunk.length;
      sink(chunk);
    }
  }

  #entry(raw: RawHeader, records: ReadonlyMap<string, string>): Entry {
    if (raw.type === "S") throw sparse();
    const kind = KINDS[raw.type];
    if (kind === undefined) throw notAnArchive(`it has an entry of the unknown type ${JSON.stringify(raw.type)}`);
    const { type: _, ...header } = extendHeader(raw, records);
    // Only files have a body; elsewhere the size is a remark.
    const size = kind === "file" ? header.size : 0;
    this.#expectBody(size);
    return { ...header, size, kind, xattrs: extendedAttributes(records) };
  }

  async #meta(header: RawHeader): Promise<Buffer> {
    if (header.size > MAX_EXTENSION_BYTES) throw notAnArchive("the extended header of an entry is too large");
    this.#expectBody(header.size);
    const chunks: Buffer[] = [];
    await this.body((chunk) => chunks.push(Buffer.from(chunk)));
    return Buffer.concat(chunks);
  }

  #expectBody(size: number): void {
    this.#bodyLeft = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
  }

  async #skipBody(): Promise<void> {
    if (this.#bodyLeft > 0) await this.body(() => undefined);
    // The last entry's padding may be missing: some writers leave it out.
    if (this.#padding > 0) await this.#take(this.#padding);
    this.#padding = 0;
  }

  /** Exactly `length` bytes; `undefined` at the end of the source. */
  async #take(length: number): Promise<Buffer | undefined> {
    while (this.#buffered.length < length) {
      if (await this.#more()) continue;
      if (this.#buffered.length === 0) return undefined;
      throw notAnArchive("it ends in the middle of a header");
    }
    const taken = this.#buffered.subarray(0, length);
    this.#buffered = this.#buffered.subarray(length);
    return taken;
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done === true) return false;
    this.#buffered = this.#buffered.length === 0 ? value : Buffer.concat([this.#buffered, value]);
    return true;
  }

  async #drain(): Promise<void> {
    this.#buffered = Buffer.alloc(0);
    while (await this.#more()) this.#buffered = Buffer.alloc(0);
  }
}

function cString(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString("latin1", 0, end < 0 ? body.length : end);
}
