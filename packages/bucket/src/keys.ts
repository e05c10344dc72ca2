import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";

const SEGMENT = /^[A-Za-z0-9._:@=+-]+$/;
const PREFIX = /^[A-Za-z0-9._:@=+/-]*$/;

/** In bytes; the alphabet is ASCII. As long as Linux's longest path leaves room for: R2's keys are twice as long where they are escaped. */
const LONGEST_KEY = 2400;

/** A Linux file name holds 255 bytes, and an object's needs one for the mark. */
const LONGEST_SEGMENT = 254;

/**
 * Ends the file name of every object. It is outside the alphabet of keys, so that the object `a` and the directory of `a/b` can both exist, as
 * they can in any other bucket.
 */
export const OBJECT_MARK = ",";

/** The file of `key` below `root`. Errors: `INVALID_INPUT` when the key is not one that {@link Bucket} allows. */
export function objectPath(root: string, key: string): string {
  const segments = key.split("/");
  if (key.length > LONGEST_KEY || !segments.every(isSegment)) {
    throw new LongshoreError("INVALID_INPUT", `${quote(key)} cannot be the key of an object in the bucket.`, {
      hint: `A key is at most ${LONGEST_KEY} characters: segments of A-Z a-z 0-9 . _ : @ = + - joined by "/", each at most ${LONGEST_SEGMENT} long, none "." or "..".`,
    });
  }
  return join(root, ...segments) + OBJECT_MARK;
}

/**
 * Splits a prefix into the directory that holds every match (below `root`) and the key of that directory.
 * Errors: `INVALID_INPUT` when no key could begin so.
 */
export function prefixDirectory(root: string, prefix: string): { path: string; key: string } {
  const key = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const segments = key.split("/").slice(0, -1);
  if (prefix.length > LONGEST_KEY || !PREFIX.test(prefix) || !segments.every(isSegment)) {
    throw new LongshoreError("INVALID_INPUT", `No key in the bucket can begin with ${quote(prefix)}.`, {
      hint: 'A prefix is the beginning of a key: no empty segment, and none that is "." or "..".',
    });
  }
  return { path: join(root, ...segments), key };
}

function isSegment(segment: string): boolean {
  return segment.length <= LONGEST_SEGMENT && SEGMENT.test(segment) && segment !== "." && segment !== "..";
}

function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
