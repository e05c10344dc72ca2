import type { StoredObject } from "@longshore/contract";

/** What stands behind an object's bytes, in the same file: so an object appears, and changes, in one step. */
export type Facts = Omit<StoredObject, "key" | "size">;

const MAGIC = "LSR2";
/** The length of the JSON, and four letters. */
const FOOTER_BYTES = 8;

export interface Trailer {
  readonly facts: Facts;
  /** With its footer. */
  readonly bytes: number;
}

export function encodeTrailer({ version, etag, uploaded, storageClass, httpFields, customFields, checksums }: Facts): Buffer {
  const json = Buffer.from(JSON.stringify({ version, etag, uploaded, storageClass, httpFields, customFields, checksums }));
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.writeUInt32BE(json.length, 0);
  footer.write(MAGIC, 4, "latin1");
  return Buffer.concat([json, footer]);
}

/** The trailer at the end of `tail`, or how many bytes have to be read for it. Throws for what is no object of R2's. */
export function decodeTrailer(tail: Buffer): Trailer | { readonly needs: number } {
  const footer = tail.length - FOOTER_BYTES;
  if (footer < 0 || tail.toString("latin1", footer + 4) !== MAGIC) throw new Error("the file has no trailer of an R2 object");
  const bytes = tail.readUInt32BE(footer) + FOOTER_BYTES;
  if (bytes > tail.length) return { needs: bytes };
  return { facts: JSON.parse(tail.toString("utf8", tail.length - bytes, footer)) as Facts, bytes };
}
