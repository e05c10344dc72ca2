import type { Readable } from "node:stream";

/** What a bucket knows of an object without reading it. `size` in bytes. */
export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

export interface BucketObject extends ObjectInfo {
  /** The bytes; must be consumed or destroyed by the caller. */
  readonly body: Readable;
}

export interface PutOptions {
  /** Write only if the object does not exist; else `CONFLICT`. */
  ifNoneMatch?: "*";
  /** Write only if the object still has this etag; else `CONFLICT`. */
  ifMatch?: string;
}

/** Which bytes: from `start` to `end`, which is inclusive and may lie behind the last byte; or the last `suffix` bytes, all when there are fewer. */
export type ByteRange = { readonly start: number; readonly end?: number } | { readonly suffix: number };

/**
 * Where a listing is: what sorts at `after` or before it is not listed. Whoever listens may move it forward meanwhile; what is skipped so is not read.
 * Any text will do; `~` sorts behind all characters of keys, so `a/~` is behind all that begins with `a/`.
 */
export interface ListPosition {
  after: string;
}

/**
 * All durable state of an installation: immutable objects, and a few heads that are changed by compare-and-swap.
 *
 * Keys are `/`-separated segments of `[A-Za-z0-9._:@=+-]`, none of them `.` or `..`. A resolved `put` or `delete` is durable.
 * On one machine this is a directory; nothing may assume so.
 */
export interface Bucket {
  /**
   * `undefined` when there is no such object. `size` is that of the whole object.
   * Errors: `INVALID_INPUT` when the range begins behind the last byte. A body is one version of the object, whatever is written meanwhile.
   */
  get(key: string, range?: ByteRange): Promise<BucketObject | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Errors: `CONFLICT` when a condition does not hold, `NO_SPACE` when the disk is full; then nothing has changed. */
  put(key: string, body: string | Uint8Array | Readable, options?: PutOptions): Promise<ObjectInfo>;
  /**
   * Makes the object from a finished local file. On success the file is gone from `path`; on failure it is still there and nothing has changed.
   * Offered by a bucket that can do this without copying the bytes (one on the same file system). Where it is absent, `put` a stream of the file.
   * Errors: as `put`.
   */
  putFile?(key: string, path: string, options?: PutOptions): Promise<ObjectInfo>;
  /** Deleting what is not there is fine. Errors: `CONFLICT` when the object that is there has not the etag `ifMatch`; then nothing has changed. */
  delete(key: string, options?: { readonly ifMatch?: string }): Promise<void>;
  /** Every object whose key starts with `prefix`, in key order. */
  list(prefix: string, position?: ListPosition): AsyncIterable<ObjectInfo>;
}
