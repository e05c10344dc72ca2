import { randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { type Bucket, type BucketSettings, KeyedMutex, LongshoreError, type StorageBucket } from "@longshore/contract";
import { R2Error } from "./errors.js";
import { checkedStorageClass } from "./facts.js";
import { BUCKETS, objectsOf } from "./places.js";

export interface BucketRecord extends StorageBucket {
  readonly id: string;
}

const NAME = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;

/** Which R2 buckets there are. One process changes them, so what it has read stays true until it does. */
export class Buckets {
  readonly #bucket: Bucket;
  readonly #clock: () => number;
  readonly #changing = new KeyedMutex();
  readonly #known = new Map<string, BucketRecord>();
  /** Counts changes: what was read before one and comes after it is not kept. */
  #changes = 0;

  constructor(bucket: Bucket, clock: () => number) {
    this.#bucket = bucket;
    this.#clock = clock;
  }

  /** In the order of their names. */
  async all(): Promise<BucketRecord[]> {
    const records: BucketRecord[] = [];
    for await (const { key } of this.#bucket.list(BUCKETS)) {
      const record = await this.find(key.slice(BUCKETS.length));
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  async find(name: string): Promise<BucketRecord | undefined> {
    const known = this.#known.get(name);
    if (known !== undefined || !NAME.test(name)) return known;
    const before = this.#changes;
    const object = await this.#bucket.get(BUCKETS + name);
    if (object === undefined) return undefined;
    const record = JSON.parse(await text(object.body)) as BucketRecord;
    if (this.#changes === before) this.#known.set(name, record);
    return record;
  }

  /** Errors: `NoSuchBucket`. */
  async get(name: string): Promise<BucketRecord> {
    const record = await this.find(name);
    if (record === undefined) throw new R2Error("NoSuchBucket");
    return record;
  }

  /** Errors: `InvalidBucketName`, `BucketAlreadyOwnedByYou`. */
  async create(name: string, { storageClass = "Standard", location }: { storageClass?: string; location?: string }): Promise<BucketRecord> {
    if (!NAME.test(name)) {
      throw new R2Error("InvalidBucketName", undefined, { hint: "Use 3 to 63 of a-z, 0-9 and -, with a letter or digit at both ends." });
    }
    const record: BucketRecord = {
      name,
      id: randomBytes(8).toString("hex"),
      createdOn: new Date(this.#clock()).toISOString(),
      storageClass: checkedStorageClass(storageClass),
      ...(location === undefined ? {} : { location }),
    };
    try {
      await this.#bucket.put(BUCKETS + name, JSON.stringify(record), { ifNoneMatch: "*" });
    } catch (cause) {
      if (!(cause instanceof LongshoreError && cause.code === "CONFLICT")) throw cause;
      throw new R2Error("BucketAlreadyOwnedByYou", undefined, { cause });
    }
    return record;
  }

  /** Errors: `NoSuchBucket`, `InvalidArgument`. */
  change(name: string, change: BucketSettings): Promise<BucketRecord> {
    if (change.storageClass !== undefined) checkedStorageClass(change.storageClass);
    return this.#changing.run(name, async () => {
      const record: BucketRecord = { ...(await this.get(name)), ...change };
      const now = await this.#bucket.head(BUCKETS + name);
      if (now === undefined) throw new R2Error("NoSuchBucket");
      this.#forget(name);
      await this.#bucket.put(BUCKETS + name, JSON.stringify(record), { ifMatch: now.etag });
      this.#forget(name);
      return record;
    });
  }

  /** Errors: `NoSuchBucket`, `BucketNotEmpty`. What is being written into it meanwhile finds that it is gone ({@link isThere}), or keeps it there. */
  delete(name: string): Promise<BucketRecord> {
    return this.#changing.run(name, () => this.#delete(name));
  }

  async #delete(name: string): Promise<BucketRecord> {
    const record = await this.get(name);
    if (!(await this.#isEmpty(record))) throw new R2Error("BucketNotEmpty");
    // Twice: what somebody reads meanwhile must not be kept.
    this.#forget(name);
    await this.#bucket.delete(BUCKETS + name);
    this.#forget(name);
    if (await this.#isEmpty(record)) return record;
    // Something was acknowledged between the look and the end.
    await this.#bucket.put(BUCKETS + name, JSON.stringify(record), { ifNoneMatch: "*" });
    throw new R2Error("BucketNotEmpty");
  }

  async #isEmpty({ id }: BucketRecord): Promise<boolean> {
    for await (const _object of this.#bucket.list(objectsOf(id))) return false;
    return true;
  }

  #forget(name: string): void {
    this.#changes++;
    this.#known.delete(name);
  }

  /** Whether what was written into a bucket is in one that there is. */
  async isThere({ name, id }: BucketRecord): Promise<boolean> {
    return (await this.find(name))?.id === id;
  }
}
