import { R2Error } from "./errors.js";

/** R2's limit, in bytes of UTF-8. */
export const LONGEST_KEY = 1024;
/** The characters that a key of the bucket may have besides `/`, in ASCII's order. */
const ALPHABET = "+-.0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
/** Ends every object's key: no escape is so short, so it sorts before all that goes on. */
const END = "+";
const SLASH = 0x2f;
/** A segment that has become this long is ended, since a file's name has a limit. */
const LONGEST_SEGMENT = 200;

/**
 * Bytes that stand for themselves, but for the ranges that have an escape: the first character of those sorts where the range does, the second one is
 * the next of `seconds`.
 */
const ESCAPES: readonly { readonly from: number; readonly to: number; readonly by: string; readonly seconds?: string }[] = [
  { from: 0x00, to: 0x2c, by: "+" },
  // Not "..", which is no segment of a path.
  { from: 0x2e, to: 0x2f, by: ".", seconds: "-0" },
  { from: 0x3b, to: 0x3f, by: "=" },
  { from: 0x5b, to: 0x60, by: "_" },
  { from: 0x79, to: 0xbc, by: "y" },
  { from: 0xbd, to: 0xff, by: "z" },
];
const CODES: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const range = ESCAPES.find(({ from, to }) => byte >= from && byte <= to);
  if (range === undefined) return String.fromCharCode(byte);
  const { from, by, seconds = ALPHABET.slice(1) } = range;
  return by + (seconds[byte - from] ?? "");
});
const BYTES: ReadonlyMap<string, number> = new Map(CODES.map((code, byte) => [code, byte]));

/**
 * Any R2 key as a key of the bucket that everything rests in. Encoded keys sort as the bytes of the keys do, and one key begins another exactly if
 * its encoded prefix does ({@link encodePrefix}); a `/` stays one where it can, so directories stay as they are.
 * Errors: `InvalidObjectName`.
 */
export function encodeKey(key: string): string {
  return encodePrefix(checkedKey(key)) + END;
}

/** What the encoded keys begin with that begin with `prefix`. */
export function encodePrefix(prefix: string): string {
  let encoded = "";
  let segment = 0;
  for (const byte of Buffer.from(prefix, "utf8")) {
    // What a slash becomes must depend on what is before it alone: else the order would be another.
    const code = byte === SLASH && segment > 0 ? "/" : (CODES[byte] ?? "");
    encoded += code;
    segment = code === "/" ? 0 : segment + code.length;
    if (segment >= LONGEST_SEGMENT) {
      encoded += "/";
      segment = 0;
    }
  }
  return encoded;
}

/** The key that {@link encodeKey} was given. */
export function decodeKey(encoded: string): string {
  const bytes: number[] = [];
  let segment = 0;
  for (let at = 0; at < encoded.length - END.length; ) {
    if (encoded[at] === "/") {
      if (segment < LONGEST_SEGMENT) bytes.push(SLASH);
      segment = 0;
      at++;
      continue;
    }
    const length = BYTES.has(encoded.slice(at, at + 1)) ? 1 : 2;
    bytes.push(BYTES.get(encoded.slice(at, at + length)) ?? 0);
    segment += length;
    at += length;
  }
  return Buffer.from(bytes).toString("utf8");
}

/** Errors: `InvalidObjectName` for what is empty, too long, or no text. */
export function checkedKey(key: string): string {
  const bytes = Buffer.from(key, "utf8");
  if (key === "" || bytes.length > LONGEST_KEY || bytes.toString("utf8") !== key) throw new R2Error("InvalidObjectName");
  return key;
}
