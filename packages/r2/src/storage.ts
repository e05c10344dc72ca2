import {
  type Bucket,
  type BucketSettings,
  inParallel,
  type ObjectFacts,
  type ObjectPage,
  type ObjectStorage,
  type StorageBucket,
  type StoredObject,
} from "@longshore/contract";
import { Buckets } from "./buckets.js";
import { R2Error } from "./errors.js";
import { type ListQuery, listObjects, MOST_KEYS } from "./listing.js";
import { Objects } from "./objects.js";
import { objectsOf } from "./places.js";
import { Sweeper } from "./sweeper.js";
import { Uploads } from "./uploads.js";

/** Deletions that are under way together share the disk's syncs. */
const PARALLEL_DELETES = 16;
const SWEEP_MS = 3600_000;

export interface R2Options {
  /** Where everything rests, below `r2/`. One process writes there. */
  readonly bucket: Bucket;
  /** The current time, in milliseconds since 1970. */
  readonly clock?: () => number;
  readonly log: { error(message: string, facts?: Readonly<Record<string, unknown>>): void };
  /** False: lifecycle rules are followed when {@link R2Storage.sweep} is called, and else never. */
  readonly sweeping?: boolean;
}

/** R2: its buckets, for the control plane, the Workers' bindings and S3 clients alike. */
export class R2Storage implements ObjectStorage, Disposable {
  readonly records: Buckets;
  readonly objects: Objects;
  readonly uploads: Uploads;
  readonly log: R2Options["log"];
  readonly #bucket: Bucket;
  readonly #sweeper: Sweeper;
  readonly #sweeping: NodeJS.Timeout | undefined;

  constructor({ bucket, clock = Date.now, log, sweeping = true }: R2Options) {
    this.#bucket = bucket;
    this.log = log;
    this.records = new Buckets(bucket, clock);
    this.objects = new Objects(bucket, this.records, clock);
    this.uploads = new Uploads(bucket, this.objects, clock);
    this.#sweeper = new Sweeper({ bucket, records: this.records, objects: this.objects, uploads: this.uploads, clock });
    this.#sweeping = sweeping ? setInterval(() => void this.#sweepLater(), SWEEP_MS).unref() : undefined;
    void this.#sweepLater();
  }

  buckets(): Promise<StorageBucket[]> {
    return this.records.all();
  }

  bucket(name: string): Promise<StorageBucket> {
    return this.records.get(name);
  }

  createBucket(name: string, options: { storageClass?: string; location?: string } = {}): Promise<StorageBucket> {
    return this.records.create(name, options);
  }

  async changeBucket(name: string, change: BucketSettings): Promise<StorageBucket> {
    const record = await this.records.change(name, change);
    if (change.lifecycle !== undefined || change.locks !== undefined) void this.#sweepLater();
    return record;
  }

  async deleteBucket(name: string): Promise<void> {
    await this.uploads.removeAll(await this.records.delete(name));
  }

  async usage(name: string): Promise<{ objects: number; bytes: number }> {
    const { id } = await this.records.get(name);
    const usage = { objects: 0, bytes: 0 };
    for await (const { size } of this.#bucket.list(objectsOf(id))) {
      usage.objects++;
      usage.bytes += size;
    }
    return usage;
  }

  async get(bucket: string, key: string) {
    const read = await this.objects.get(await this.records.get(bucket), key);
    return read?.body === undefined ? undefined : { object: read.object, body: read.body };
  }

  async put(bucket: string, key: string, body: AsyncIterable<Uint8Array>, facts: ObjectFacts & { size?: number }): Promise<StoredObject> {
    const written = await this.objects.put(await this.records.get(bucket), key, body, facts);
    if (written === undefined) throw new R2Error("PreconditionFailed");
    return written;
  }

  /** Errors: `InvalidArgument` for more than 1,000 keys. */
  async delete(bucket: string, keys: readonly string[]): Promise<void> {
    if (keys.length > MOST_KEYS) throw new R2Error("InvalidArgument", `delete: at most ${MOST_KEYS} keys can be deleted at once.`);
    const record = await this.records.get(bucket);
    await inParallel(PARALLEL_DELETES, keys, (key) => this.objects.delete(record, key));
  }

  async list(bucket: string, query: ListQuery): Promise<ObjectPage> {
    const { id } = await this.records.get(bucket);
    return await listObjects(this.#bucket, this.objects, id, query);
  }

  /** Does what lifecycle rules say, as it is done once an hour and after each change of a bucket's rules. */
  sweep(): Promise<void> {
    return this.#sweeper.sweep();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweeping);
  }

  async #sweepLater(): Promise<void> {
    if (this.#sweeping === undefined) return;
    try {
      await this.#sweeper.sweep();
    } catch (error) {
      this.log.error("what R2's lifecycle rules say could not be done", { error: String(error) });
    }
  }
}
