import type { Readable } from "node:stream";

/** Which pages may use a bucket from a browser, by S3. */
export interface CorsRule {
  readonly id?: string | undefined;
  /** Origins as `https://example.com`, `*` for all; `*` may also stand for a part of one, and of a header's name. */
  readonly allowed: {
    readonly origins: readonly string[];
    readonly methods: readonly string[];
    readonly headers?: readonly string[] | undefined;
  };
  readonly exposeHeaders?: readonly string[] | undefined;
  /** How long a browser may remember the answer. */
  readonly maxAgeSeconds?: number | undefined;
}

/** When it is time: so many seconds after the object was written or the upload begun, or at a date (ISO 8601). */
export type LifecycleCondition = { readonly type: "Age"; readonly maxAge: number } | { readonly type: "Date"; readonly date: string };

/** What becomes of objects and unfinished uploads, without anybody asking. */
export interface LifecycleRule {
  readonly id: string;
  readonly enabled: boolean;
  readonly conditions: { readonly prefix?: string | undefined };
  readonly deleteObjectsTransition?: { readonly condition: LifecycleCondition } | undefined;
  readonly storageClassTransitions?: readonly { readonly condition: LifecycleCondition; readonly storageClass: string }[] | undefined;
  readonly abortMultipartUploadsTransition?: { readonly condition: LifecycleCondition } | undefined;
}

/** What a bucket has that nobody has said anything about: as R2's. */
export const DEFAULT_LIFECYCLE: readonly LifecycleRule[] = [
  {
    id: "Default Multipart Abort Rule",
    enabled: true,
    conditions: { prefix: "" },
    abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: 7 * 24 * 3600 } },
  },
];

/** Objects that can neither be deleted nor replaced: for so many seconds after they were written, until a date (ISO 8601), or for good. */
export interface LockRule {
  readonly id: string;
  readonly enabled: boolean;
  readonly prefix?: string | undefined;
  readonly condition:
    | { readonly type: "Age"; readonly maxAgeSeconds: number }
    | { readonly type: "Date"; readonly date: string }
    | { readonly type: "Indefinite" };
}

/** What an owner may say about a bucket. A list takes the place of the one before; an empty one says that there is nothing. */
export interface BucketSettings {
  readonly storageClass?: string;
  readonly cors?: readonly CorsRule[];
  readonly lifecycle?: readonly LifecycleRule[];
  readonly locks?: readonly LockRule[];
}

/** An R2 bucket. */
export interface StorageBucket extends BucketSettings {
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
  /** Holds from now on, for what was there before, too. */
  changeBucket(name: string, change: BucketSettings): Promise<StorageBucket>;
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
