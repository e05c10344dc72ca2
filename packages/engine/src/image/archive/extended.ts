import { LongshoreError } from "@longshore/contract";
import { notAnArchive, type RawHeader } from "./header.js";

const XATTR = "SCHILY.xattr.";

/** What extended headers before an entry say about it. Values are bytes in `latin1` strings. */
export interface Extension {
  readonly records: ReadonlyMap<string, string>;
}

/**
 * Reads the records of a pax header: `<length> <key>=<value>\n`, where the length counts the whole record.
 * Errors: `INVALID_INPUT`, also for sparse files, which no image builder writes.
 */
export function parsePax(body: Buffer, into: Map<string, string>): void {
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 || space - at > 8 ? "" : body.toString("latin1", at, space);
    const end = at + Number(digits);
    if (!/^[1-9]\d*$/.test(digits) || end > body.length || end <= space + 1 || body[end - 1] !== 0x0a) {
      throw notAnArchive("a pax record's length is wrong");
    }
    const record = body.toString("latin1", space + 1, end - 1);
    const equals = record.indexOf("=");
    if (equals < 1) throw notAnArchive("a pax record has no name");
    const key = record.slice(0, equals);
    if (key.startsWith("GNU.sparse.")) throw sparse();
    into.set(key, record.slice(equals + 1));
    at = end;
  }
}

/** A header with what extended headers say about it put in its place. Errors: `INVALID_INPUT`. */
export function extendHeader(header: RawHeader, records: ReadonlyMap<string, string>): RawHeader {
  const decimal = (key: string, fallback: number) => {
    const value = records.get(key);
    if (value === undefined || value === "") return fallback;
    if (!/^-?\d{1,15}(\.\d*)?$/.test(value)) throw notAnArchive(`the pax record ${key} is not a number`);
    return Math.max(0, Number(value));
  };
  return {
    ...header,
    path: records.get("path") || header.path,
    linkPath: records.get("linkpath") || header.linkPath,
    uid: Math.trunc(decimal("uid", header.uid)),
    gid: Math.trunc(decimal("gid", header.gid)),
    size: Math.trunc(decimal("size", header.size)),
    mtime: decimal("mtime", header.mtime),
  };
}

/** Extended attributes among the records, by name. */
export function extendedAttributes(records: ReadonlyMap<string, string>): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const [key, value] of records) if (key.startsWith(XATTR)) found.set(key.slice(XATTR.length), Buffer.from(value, "latin1"));
  return found;
}

export function sparse(): LongshoreError {
  return new LongshoreError("INVALID_INPUT", "It holds a sparse file in tar's own form, which image layers do not use.", {
    hint: "Build the image with docker, buildah or another image builder.",
  });
}
