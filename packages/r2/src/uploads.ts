import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { type Bucket, inParallel, type ObjectFacts, type StoredObject } from "@longshore/contract";
import type { BucketRecord } from "./buckets.js";
import type { Condition } from "./conditions.js";
import { digested, type Expected } from "./digests.js";
import { R2Error } from "./errors.js";
import { checkFacts } from "./facts.js";
import { checkedKey } from "./key-encoding.js";
import { LARGEST_PUT, type Objects } from "./objects.js";
import { UPLOADS, uploadsOf } from "./places.js";
import { encodeTrailer } from "./stored-form.js";

const MOST_PARTS = 10_000;
const SMALLEST_PART = 5 * 1024 ** 2;
const PARALLEL_READS = 16;
/** S3's and R2's limit for an object of parts: 5 TiB. */
const LARGEST_OBJECT = 5 * 1024 ** 4;
/** A part knows nothing of what the object is. */
const NO_FACTS: ObjectFacts = { httpFields: {}, customFields: {} };

export interface Upload extends ObjectFacts {
  readonly uploadId: string;
  readonly key: string;
  /** In milliseconds since 1970. */
  readonly begun: number;
}

export interface Part {
  readonly partNumber: number;
  readonly etag: string;
  readonly size: number;
  readonly uploaded: number;
}

export interface NamedPart {
  readonly partNumber: number;
  readonly etag: string;
}

/** Uploads in parts. A part is durable once it is answered; the object appears when the upload is completed, whole, in one step. */
export class Uploads {
  readonly #bucket: Bucket;
  readonly #objects: Objects;
  readonly #clock: () => number;

  constructor(bucket: Bucket, objects: Objects, clock: () => number) {
    this.#bucket = bucket;
    this.#objects = objects;
    this.#clock = clock;
  }

  async create(record: BucketRecord, key: string, facts: ObjectFacts): Promise<Upload> {
    checkFacts(facts);
    const { httpFields, customFields, storageClass = record.storageClass } = facts;
    const uploadId = randomBytes(24).toString("base64url");
    const upload: Upload = { uploadId, key: checkedKey(key), begun: this.#clock(), httpFields, customFields, storageClass };
    await this.#bucket.put(headOf(record, uploadId), JSON.stringify(upload), { ifNoneMatch: "*" });
    return upload;
  }

  /** A part again takes the place of the one before. Errors: `NoSuchUpload`, `InvalidArgument`, those of a put. */
  async putPart(
    record: BucketRecord,
    key: string,
    uploadId: string,
    number: number,
    body: AsyncIterable<Uint8Array>,
    expected: Expected,
  ): Promise<Part> {
    if (!Number.isInteger(number) || number < 1 || number > MOST_PARTS) {
      throw new R2Error("InvalidArgument", `Part number must be between 1 and ${MOST_PARTS}, inclusive.`);
    }
    await this.get(record, key, uploadId);
    const facts = this.#objects.newFacts(record, NO_FACTS);
    let part: Part | undefined;
    const bytes = digested(body, expected, LARGEST_PUT, ({ size, md5 }) => {
      part = { partNumber: number, etag: md5, size, uploaded: facts.uploaded };
      return encodeTrailer({ ...facts, etag: md5, checksums: {} });
    });
    const name = partOf(record, uploadId, number);
    await this.#bucket.put(name, Readable.from(bytes, { objectMode: false }));
    if ((await this.#find(record, uploadId)) !== undefined && part !== undefined) return part;
    // Aborted while it came.
    await this.#bucket.delete(name);
    throw new R2Error("NoSuchUpload");
  }

  /**
   * Makes the object of the named parts, in their order. Errors: `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `UnequalParts`,
   * `PreconditionFailed`.
   */
  async complete(
    record: BucketRecord,
    key: string,
    uploadId: string,
    named: readonly NamedPart[],
    onlyIf?: Condition,
  ): Promise<StoredObject> {
    const upload = await this.get(record, key, uploadId);
    const parts = await this.#chosen(record, uploadId, named);
    const md5s = createHash("md5");
    for (const { etag } of parts) md5s.update(Buffer.from(etag, "hex"));
    const facts = { ...this.#objects.newFacts(record, upload), etag: `${md5s.digest("hex")}-${parts.length}`, checksums: {} };
    const bytes = this.#joined(record, uploadId, parts, encodeTrailer(facts));
    if (!(await this.#objects.commit(record, key, bytes, onlyIf))) throw new R2Error("PreconditionFailed");
    await this.#remove(record.id, uploadId);
    return { ...facts, key, size: parts.reduce((sum, { size }) => sum + size, 0) };
  }

  /** Errors: `NoSuchUpload`. */
  async abort(record: BucketRecord, key: string, uploadId: string): Promise<void> {
    await this.get(record, key, uploadId);
    await this.#remove(record.id, uploadId);
  }

  /** Errors: `NoSuchUpload`. */
  async get(record: BucketRecord, key: string, uploadId: string): Promise<Upload> {
    const upload = await this.#find(record, uploadId);
    if (upload === undefined || upload.key !== key) throw new R2Error("NoSuchUpload");
    return upload;
  }

  /** In the order of their numbers. */
  async parts(record: BucketRecord, uploadId: string): Promise<Part[]> {
    const prefix = `${uploadsOf(record.id)}${uploadId}/`;
    const names: string[] = [];
    for await (const { key } of this.#bucket.list(prefix)) if (/\/\d+$/.test(key)) names.push(key);
    const parts: Part[] = [];
    await inParallel(PARALLEL_READS, [...names.entries()], async ([at, name]) => {
      const object = (await this.#objects.at(name, ""))?.object;
      if (object === undefined) return;
      parts[at] = { partNumber: Number(name.slice(prefix.length)), etag: object.etag, size: object.size, uploaded: object.uploaded };
    });
    return parts.filter((part) => part !== undefined);
  }

  /** A bucket's uploads under way, in the order of their keys. */
  async all({ id }: { readonly id: string }): Promise<Upload[]> {
    const uploads: Upload[] = [];
    for await (const { key } of this.#bucket.list(uploadsOf(id))) {
      if (!key.endsWith("/head")) continue;
      const upload = await this.#read(key);
      if (upload !== undefined) uploads.push(upload);
    }
    return uploads.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.begun - b.begun);
  }

  /**
   * Drops what need not stay. `keeper` is asked for once what there is has been listed; it says of a bucket's id, and of an upload, whose head is missing
   * where it was dropped in part.
   */
  async sweep(keeper: () => Promise<(id: string, upload: Upload | undefined) => boolean>): Promise<void> {
    const uploads = new Map<string, { readonly id: string; readonly uploadId: string; head?: Upload }>();
    for await (const { key } of this.#bucket.list(UPLOADS)) {
      const [id = "", uploadId = "", name] = key.slice(UPLOADS.length).split("/");
      const place = `${id}/${uploadId}`;
      const upload = uploads.get(place) ?? { id, uploadId };
      uploads.set(place, upload);
      const head = name === "head" ? await this.#read(key) : undefined;
      if (head !== undefined) upload.head = head;
    }
    if (uploads.size === 0) return;
    const stays = await keeper();
    for (const { id, uploadId, head } of uploads.values()) if (!stays(id, head)) await this.#remove(id, uploadId);
  }

  async removeAll({ id }: { readonly id: string }): Promise<void> {
    for (const { uploadId } of await this.all({ id })) await this.#remove(id, uploadId);
  }

  async #chosen(record: BucketRecord, uploadId: string, named: readonly NamedPart[]): Promise<Part[]> {
    if (named.length === 0) throw new R2Error("InvalidPart");
    const there = new Map((await this.parts(record, uploadId)).map((part) => [part.partNumber, part]));
    const parts = named.map(({ partNumber, etag }, at) => {
      if (at > 0 && partNumber <= (named[at - 1]?.partNumber ?? 0)) throw new R2Error("InvalidPartOrder");
      const part = there.get(partNumber);
      if (part === undefined || part.etag !== etag) throw new R2Error("InvalidPart");
      return part;
    });
    const sizes = new Set(parts.slice(0, -1).map(({ size }) => size));
    const [first = SMALLEST_PART] = sizes;
    if (first < SMALLEST_PART) throw new R2Error("EntityTooSmall");
    if (sizes.size > 1 || (parts.length > 1 && (parts.at(-1)?.size ?? 0) > first)) throw new R2Error("UnequalParts");
    if (parts.reduce((sum, { size }) => sum + size, 0) > LARGEST_OBJECT) throw new R2Error("EntityTooLarge");
    return parts;
  }

  async *#joined(record: BucketRecord, uploadId: string, parts: readonly Part[], trailer: Buffer): AsyncGenerator<Uint8Array> {
    for (const { partNumber, etag } of parts) {
      const read = await this.#objects.readAt(partOf(record, uploadId, partNumber), "", {});
      if (read?.body === undefined || read.object.etag !== etag) {
        read?.body?.destroy();
        throw new R2Error("InvalidPart");
      }
      yield* read.body as AsyncIterable<Uint8Array>;
    }
    yield trailer;
  }

  /** The head goes first: an upload without one is none, and is swept. */
  async #remove(id: string, uploadId: string): Promise<void> {
    const prefix = `${uploadsOf(id)}${uploadId}/`;
    await this.#bucket.delete(`${prefix}head`);
    for await (const { key } of this.#bucket.list(prefix)) await this.#bucket.delete(key);
  }

  #find(record: BucketRecord, uploadId: string): Promise<Upload | undefined> {
    return /^[\w-]{32}$/.test(uploadId) ? this.#read(headOf(record, uploadId)) : Promise.resolve(undefined);
  }

  async #read(name: string): Promise<Upload | undefined> {
    const object = await this.#bucket.get(name);
    return object === undefined ? undefined : (JSON.parse(await text(object.body)) as Upload);
  }
}

const headOf = ({ id }: BucketRecord, uploadId: string): string => `${uploadsOf(id)}${uploadId}/head`;

const partOf = ({ id }: BucketRecord, uploadId: string, number: number): string =>
  `${uploadsOf(id)}${uploadId}/${String(number).padStart(5, "0")}`;
