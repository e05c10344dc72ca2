import { LongshoreError } from "@longshore/contract";

/** A tar archive is a sequence of blocks of this many bytes. */
export const BLOCK = 512;

/** One header block as it stands there. Names are bytes in a `latin1` string: an archive promises no encoding. */
export interface RawHeader {
  readonly path: string;
  readonly linkPath: string;
  /** The type flag, `0` for the old form of a file. */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow the header, before padding. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** Reads one header block; `undefined` for a block of zeros, which ends an archive. Errors: `INVALID_INPUT`. */
export function parseHeader(block: Buffer): RawHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (checksum(block) !== number(block, 148, 8)) throw notAnArchive("the checksum of a header is wrong");
  // Only POSIX archives have a prefix; in GNU's own format these bytes mean something else.
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const type = String.fromCharCode(block[156] ?? 0);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    linkPath: text(block, 157, 100),
    type: type === "\0" ? (name.endsWith("/") ? "5" : "0") : type,
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
  };
}

export function notAnArchive(why: string): LongshoreError {
  return new LongshoreError("INVALID_INPUT", `It is not a tar archive that can be read: ${why}.`);
}

/** The sum of all bytes, the checksum's own counted as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 32;
  for (let at = 0; at < BLOCK; at++) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  return sum;
}

function text(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString("latin1", start, end < 0 || end > start + length ? start + length : end);
}

/** An octal number as text, or, with the top bit set, a binary one. Negative ones (times before 1970) count as 0. */
function number(block: Buffer, start: number, length: number): number {
  const first = block[start] ?? 0;
  if (first === 0xff) return 0;
  if (first === 0x80) {
    let value = 0;
    for (let at = start + 1; at < start + length; at++) value = value * 256 + (block[at] ?? 0);
    if (!Number.isSafeInteger(value)) throw notAnArchive("a number in a header is too large");
    return value;
  }
  const digits = text(block, start, length).trim();
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw notAnArchive("a number in a header is not octal");
  return Number.parseInt(digits, 8);
}
