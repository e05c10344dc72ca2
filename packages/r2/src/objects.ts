import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Bucket, type LockRule, LongshoreError, type ObjectFacts, type PutOptions, type StoredObject } from "@longshore/contract";
import type { BucketRecord, Buckets } from "./buckets.js";
import { type Condition, judge, type Verdict } from "./conditions.js";
import { digested, type Expected } from "./digests.js";
import { R2Error } from "./errors.js";
import { checkFacts } from "./facts.js";
import { encodeKey } from "./key-encoding.js";
import { objectsOf } from "./places.js";
import { type Range, resolveRange, type WantedRange } from "./ranges.js";
import { isLocked, locksOn } from "./rules.js";
import { decodeTrailer, encodeTrailer, type Facts } from "./stored-form.js";

/** R2's limit for an object that is uploaded at once: 5 GiB but 5 MiB. */
export const LARGEST_PUT = 5 * 1024 ** 3 - 5 * 1024 ** 2;
/** As much of an object's end is read first: enough for most trailers, and for the whole of a small object. */
const HEAD_TAIL_BYTES = 2 * 1024;
const GET_TAIL_BYTES = 32 * 1024;
/** How often a read is begun again when the object was replaced between its trailer and its bytes. */
const ATTEMPTS = 10;

export interface PutRequest extends ObjectFacts, Expected {
  readonly onlyIf?: Condition;
}

/** An object as a reader gets it. `body` is absent where the condition does not hold. */
export interface Read {
  readonly object: StoredObject;
  readonly verdict: Verdict;
  /** What of it the body is; all unless a range was asked for. */
  readonly range: Range;
  readonly body?: Readable;
}

interface Found {
  readonly object: StoredObject;
  /** The file's own etag. */
  readonly etag: string;
  readonly tail: Buffer;
  readonly trailerBytes: number;
}

/** The objects of R2's buckets, each one file of the installation's bucket. */
export class Objects {
  readonly #bucket: Bucket;
  readonly #buckets: Buckets;
  readonly #clock: () => number;

  constructor(bucket: Bucket, buckets: Buckets, clock: () => number) {
    this.#bucket = bucket;
    this.#buckets = buckets;
    this.#clock = clock;
  }

  async head({ id }: BucketRecord, key: string): Promise<StoredObject | undefined> {
    return (await this.at(objectsOf(id) + encodeKey(key), key))?.object;
  }

  /** `range` may depend on nothing but the object's size. Errors: `InvalidRange`. */
  async get({ id }: BucketRecord, key: string, options: { onlyIf?: Condition; range?: WantedRange } = {}): Promise<Read | undefined> {
    return await this.readAt(objectsOf(id) + encodeKey(key), key, options);
  }

  /**
   * Durable when it resolves. `undefined` when the condition does not hold. Errors: `BadDigest`, `IncompleteBody`, `EntityTooLarge`,
   * `MetadataTooLarge`, `NO_SPACE`, whatever the body fails with; then nothing has changed.
   */
  async put(record: BucketRecord, key: string, body: AsyncIterable<Uint8Array>, request: PutRequest): Promise<StoredObject | undefined> {
    checkFacts(request);
    const facts = (etag: string): Facts => ({ ...this.newFacts(record, request), etag, checksums: { ...request.checksums, md5: etag } });
    let written: StoredObject | undefined;
    const bytes = digested(body, request, LARGEST_PUT, ({ size, md5 }) => {
      const stored = facts(md5);
      written = { ...stored, key, size };
      return encodeTrailer(stored);
    });
    return (await this.commit(record, key, bytes, request.onlyIf)) ? written : undefined;
  }

  /** Gives bytes with their trailer the key of an object; false when the condition does not hold. */
  async commit(record: BucketRecord, key: string, bytes: AsyncIterable<Uint8Array>, onlyIf: Condition | undefined): Promise<boolean> {
    const name = objectsOf(record.id) + encodeKey(key);
    const locks = locksOn(record.locks, key);
    let options: PutOptions = {};
    if (onlyIf !== undefined || locks.length > 0) {
      const now = await this.at(name, key);
      if (onlyIf !== undefined && judge(onlyIf, now?.object) !== "holds") return false;
      if (now !== undefined) this.#assertFree(locks, now.object);
      options = now === undefined ? { ifNoneMatch: "*" } : { ifMatch: now.etag };
    }
    try {
      await this.#bucket.put(name, Readable.from(bytes, { objectMode: false }), options);
    } catch (error) {
      if (!isConflict(error)) throw error;
      // Written by somebody else while the bytes came: what the condition was judged by is not there any more, and what is there is too new to be free.
      if (onlyIf !== undefined) return false;
      throw new R2Error("ObjectLockedByBucketPolicy", undefined, { cause: error });
    }
    if (await this.#buckets.isThere(record)) return true;
    await this.#bucket.delete(name);
    throw new R2Error("NoSuchBucket");
  }

  /** Errors: `ObjectLockedByBucketPolicy`. */
  async delete({ id, locks }: BucketRecord, key: string): Promise<void> {
    const name = objectsOf(id) + encodeKey(key);
    const rules = locksOn(locks, key);
    if (rules.length === 0) return await this.#bucket.delete(name);
    const now = await this.at(name, key);
    if (now === undefined) return;
    this.#assertFree(rules, now.object);
    try {
      await this.#bucket.delete(name, { ifMatch: now.etag });
    } catch (cause) {
      if (!isConflict(cause)) throw cause;
      throw new R2Error("ObjectLockedByBucketPolicy", undefined, { cause });
    }
  }

  /** Deletes an object that is still so, and is not locked. */
  async deleteIf({ id, locks }: BucketRecord, key: string, isSo: (object: StoredObject) => boolean): Promise<void> {
    const name = objectsOf(id) + encodeKey(key);
    const now = await this.at(name, key);
    if (now === undefined || !isSo(now.object) || isLocked(locksOn(locks, key), now.object.uploaded, this.#clock())) return;
    await this.#bucket.delete(name, { ifMatch: now.etag }).catch(ignoreConflict);
  }

  /** Gives an object another storage class. It is the same version, written at the same time. What is replaced meanwhile keeps its own. */
  async changeClass({ id }: BucketRecord, key: string, classOf: (object: StoredObject) => string | undefined): Promise<void> {
    const name = objectsOf(id) + encodeKey(key);
    const found = await this.at(name, key, GET_TAIL_BYTES);
    const storageClass = found === undefined ? undefined : classOf(found.object);
    if (found === undefined || storageClass === undefined || storageClass === found.object.storageClass) return;
    const { size } = found.object;
    const body = await this.#bytes(name, found, { offset: 0, length: size });
    if (body === undefined) return;
    const bytes = followed(body, encodeTrailer({ ...found.object, storageClass }));
    await this.#bucket.put(name, Readable.from(bytes, { objectMode: false }), { ifMatch: found.etag }).catch(ignoreConflict);
  }

  #assertFree(locks: readonly LockRule[], { uploaded }: StoredObject): void {
    if (isLocked(locks, uploaded, this.#clock())) throw new R2Error("ObjectLockedByBucketPolicy");
  }

  newFacts({ storageClass }: BucketRecord, given: ObjectFacts): Omit<Facts, "etag" | "checksums"> {
    const { httpFields, customFields } = given;
    const version = randomBytes(16).toString("hex");
    return { version, uploaded: this.#clock(), storageClass: given.storageClass ?? storageClass, httpFields, customFields };
  }

  /** The object in a file, found by its end. */
  async at(name: string, key: string, tailBytes = HEAD_TAIL_BYTES): Promise<Found | undefined> {
    const file = await this.#bucket.get(name, { suffix: tailBytes });
    if (file === undefined) return undefined;
    const tail = await buffer(file.body);
    const trailer = decodeTrailer(tail);
    if ("needs" in trailer) return await this.at(name, key, trailer.needs);
    const object = { ...trailer.facts, key, size: file.size - trailer.bytes };
    return { object, etag: file.etag, tail, trailerBytes: trailer.bytes };
  }

  /** As {@link get}, of any file in the form of an object. */
  async readAt(
    name: string,
    key: string,
    { onlyIf, range: wanted }: { onlyIf?: Condition; range?: WantedRange },
  ): Promise<Read | undefined> {
    for (let attempt = 1; ; attempt++) {
      const found = await this.at(name, key, GET_TAIL_BYTES);
      if (found === undefined) return undefined;
      const { object } = found;
      const verdict = onlyIf === undefined ? "holds" : judge(onlyIf, object);
      const range = wanted === undefined || verdict !== "holds" ? { offset: 0, length: object.size } : resolveRange(wanted, object.size);
      if (verdict !== "holds") return { object, verdict, range };
      const body = await this.#bytes(name, found, range);
      if (body !== undefined) return { object, verdict, range, body };
      if (attempt === ATTEMPTS)
        throw new LongshoreError("UNAVAILABLE", `The object ${JSON.stringify(key)} changes too quickly to be read.`);
    }
  }

  /** `undefined` when the file is another one by now. */
  async #bytes(name: string, { object, etag, tail, trailerBytes }: Found, { offset, length }: Range): Promise<Readable | undefined> {
    const known = object.size + trailerBytes - tail.length;
    if (length === 0) return Readable.from([], { objectMode: false });
    if (offset >= known) return Readable.from([tail.subarray(offset - known, offset - known + length)], { objectMode: false });
    const file = await this.#bucket.get(name, { start: offset, end: offset + length - 1 });
    if (file?.etag === etag) return file.body;
    file?.body.destroy();
    return undefined;
  }
}

async function* followed(body: AsyncIterable<Uint8Array>, end: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* body;
  yield end;
}

/** Of the bucket's own conditions. */
function isConflict(error: unknown): boolean {
  return error instanceof LongshoreError && error.code === "CONFLICT" && !(error instanceof R2Error);
}

function ignoreConflict(error: unknown): void {
  if (!isConflict(error)) throw error;
}
