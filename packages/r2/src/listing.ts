import { type Bucket, inParallel, type ObjectPage, type StoredObject } from "@longshore/contract";
import { R2Error } from "./errors.js";
import { decodeKey, encodePrefix, LONGEST_KEY } from "./key-encoding.js";
import type { Objects } from "./objects.js";
import { behind, objectsOf } from "./places.js";

export const MOST_KEYS = 1000;
const PARALLEL_READS = 16;

export interface ListQuery {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly cursor?: string;
  readonly startAfter?: string;
  readonly limit?: number;
  /** The page ends earlier when it would become larger than this, as JSON. */
  readonly maxBytes?: number;
}

type Entry = { readonly key: string; readonly name: string } | { readonly prefix: string };

/** A page of a bucket's objects. Errors: `InvalidMaxKeys`, `InvalidArgument` for a cursor that is none of ours. */
export async function listObjects(bucket: Bucket, objects: Objects, id: string, query: ListQuery): Promise<ObjectPage> {
  const { limit = MOST_KEYS, maxBytes = Number.POSITIVE_INFINITY } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_KEYS) throw new R2Error("InvalidMaxKeys");
  // No key begins so, and no name of the bucket's could.
  if (Buffer.byteLength(query.prefix ?? "") > LONGEST_KEY) return { objects: [], prefixes: [] };
  const { entries, more } = await collect(bucket, id, query, limit);
  const found: (StoredObject | undefined)[] = [];
  await inParallel(PARALLEL_READS, [...entries.entries()], async ([at, entry]) => {
    if ("key" in entry) found[at] = (await objects.at(entry.name, entry.key))?.object;
  });
  let bytes = 0;
  let taken = 0;
  const page = { objects: [] as StoredObject[], prefixes: [] as string[] };
  for (const [at, entry] of entries.entries()) {
    bytes += JSON.stringify("prefix" in entry ? entry.prefix : (found[at] ?? "")).length + 64;
    if (bytes > maxBytes && taken > 0) break;
    const object = found[at];
    if ("prefix" in entry) page.prefixes.push(entry.prefix);
    else if (object !== undefined) page.objects.push(object);
    taken++;
  }
  const last = entries[taken - 1];
  return last === undefined || (!more && taken === entries.length) ? page : { ...page, cursor: cursorAt(last) };
}

async function collect(bucket: Bucket, id: string, query: ListQuery, limit: number): Promise<{ entries: Entry[]; more: boolean }> {
  const { prefix = "", delimiter = "", cursor, startAfter = "" } = query;
  const base = objectsOf(id);
  const position = { after: base + (cursor === undefined ? startPosition(startAfter) : positionOf(cursor)) };
  const entries: Entry[] = [];
  for await (const { key: name } of bucket.list(base + encodePrefix(prefix), position)) {
    if (entries.length === limit) return { entries, more: true };
    const key = decodeKey(name.slice(base.length));
    const at = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (at < 0) {
      entries.push({ key, name });
    } else {
      const common = key.slice(0, at + delimiter.length);
      entries.push({ prefix: common });
      position.after = base + behind(encodePrefix(common));
    }
  }
  return { entries, more: false };
}

/** Behind the key itself, which ends with `+`, and before all that it begins. */
function startPosition(startAfter: string): string {
  return startAfter === "" ? "" : `${encodePrefix(startAfter)}+`;
}

/** A cursor says what a page ended with: `k` and a key, or `p` and a prefix whose objects are all behind it. */
function cursorAt(entry: Entry): string {
  return Buffer.from("key" in entry ? `k${entry.key}` : `p${entry.prefix}`, "utf8").toString("base64url");
}

export function positionOf(cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  if (text.startsWith("k")) return startPosition(text.slice(1));
  if (text.startsWith("p")) return behind(encodePrefix(text.slice(1)));
  throw new R2Error("InvalidArgument", "The cursor is not one that a listing gave.");
}

/** The cursor behind a name that an S3 client gives as a marker: a common prefix stands for all that it begins. */
export function cursorBehind(marker: string, delimiter: string): string {
  const isPrefix = delimiter !== "" && marker.endsWith(delimiter);
  return cursorAt(isPrefix ? { prefix: marker } : { key: marker, name: "" });
}
