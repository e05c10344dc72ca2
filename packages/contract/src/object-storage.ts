import type { Readable } from "node:stream";

/** An R2 bucket. */
export interface StorageBucket {
  /** One of its kind. */
  readonly name: string;
  readonly createdOn: string;
  /** What objects get that ask for none. Kept and shown; all are stored alike. */
  readonly storageClass: string;
  /** Where its maker wanted it to be; it is here. */
  readonly location?: string;
}

export type ChecksumName = "md5" | "sha1" | "sha256" | "sha384" | "sha512";

/** What is sent as HTTP headers with an object. `cacheExpiry` in milliseconds since 1970. */
export interface HttpFields {
  readonly contentType?: string;
  readonly contentLanguage?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly cacheControl?: string;
  readonly cacheExpiry?: number;
}

/** What whoever writes an object says about it. */
export interface ObjectFacts {
  readonly httpFields: HttpFields;
  readonly customFields: Readonly<Record<string, string>>;
  /** The bucket's own when it is not given. */
  readonly storageClass?: string;
}

/** An object of an R2 bucket, without its bytes. */
export interface StoredObject extends ObjectFacts {
  /** Up to 1,024 bytes of UTF-8. */
  readonly key: string;
  /** Another one for every write. */
  readonly version: string;
  /** In bytes. */
  readonly size: number;
  /** The MD5 in hex; of one that was uploaded in parts, the MD5 of the parts' MD5s and their number. Without quotes. */
  readonly etag: string;
  /** In milliseconds since 1970. */
  readonly uploaded: number;
  readonly storageClass: string;
  /** In hex: MD5 unless it was uploaded in parts, and what was given with the upload. */
  readonly checksums: Readonly<Partial<Record<ChecksumName, string>>>;
}

/** Some of a bucket's objects in the order of their keys' bytes, and what stands for those that share a prefix. */
export interface ObjectPage {
  readonly objects: readonly StoredObject[];
  readonly prefixes: readonly string[];
  /** There unless the page is the last. */
  readonly cursor?: string;
}

/**
 * All R2 buckets: the same data as Workers' bindings and S3 clients see, at once and after any crash; a resolved write is durable.
 * Errors of all: `NOT_FOUND` for a bucket that is not there, `INVALID_INPUT`.
 */
export interface ObjectStorage {
  /** In the order of their names. */
  buckets(): Promise<StorageBucket[]>;
  bucket(name: string): Promise<StorageBucket>;
  /** Errors: `CONFLICT` when it is there. */
  createBucket(name: string, options?: { readonly storageClass?: string; readonly location?: string }): Promise<StorageBucket>;
  changeBucket(name: string, change: { readonly storageClass: string }): Promise<StorageBucket>;
  /** Errors: `CONFLICT` when it is not empty. */
  deleteBucket(name: string): Promise<void>;
  /** Counts objects, and the bytes that they take with their metadata. */
  usage(name: string): Promise<{ readonly objects: number; readonly bytes: number }>;

  /** `undefined` when there is no such object. The body must be consumed or destroyed. */
  get(bucket: string, key: string): Promise<{ readonly object: StoredObject; readonly body: Readable } | undefined>;
  /** `size` is what the body should have. Errors: `NO_SPACE`, `TOO_LARGE`; then nothing has changed. */
  put(bucket: string, key: string, body: AsyncIterable<Uint8Array>, facts: ObjectFacts & { readonly size?: number }): Promise<StoredObject>;
  /** Deleting what is not there is fine. At most 1,000 keys. */
  delete(bucket: string, keys: readonly string[]): Promise<void>;
  /** `limit` at most 1,000, which it is when it is not given. */
  list(
    bucket: string,
    query: { readonly prefix?: string; readonly delimiter?: string; readonly cursor?: string; readonly limit?: number },
  ): Promise<ObjectPage>;
}
