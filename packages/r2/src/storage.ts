import {
  type Bucket,
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
import { Uploads } from "./uploads.js";

/** Deletions that are under way together share the disk's syncs. */
const PARALLEL_DELETES = 16;
const SWEEP_MS = 24 * 3600_000;

export interface R2Options {
  /** Where everything rests, below `r2/`. One process writes there. */
  readonly bucket: Bucket;
  /** The current time, in milliseconds since 1970. */
  readonly clock?: () => number;
  readonly log: { error(message: string, facts?: Readonly<Record<string, unknown>>): void };
}

/** R2: its buckets, for the control plane, the Workers' bindings and S3 clients alike. */
export class R2Storage implements ObjectStorage, Disposable {
  readonly records: Buckets;
  readonly objects: Objects;
  readonly uploads: Uploads;
  readonly log: R2Options["log"];
  readonly #bucket: Bucket;
  readonly #sweeping: NodeJS.Timeout;

  constructor({ bucket, clock = Date.now, log }: R2Options) {
    this.#bucket = bucket;
    this.log = log;
    this.records = new Buckets(bucket, clock);
    this.objects = new Objects(bucket, this.records, clock);
    this.uploads = new Uploads(bucket, this.objects, clock);
    this.#sweeping = setInterval(() => void this.#sweepLater(), SWEEP_MS).unref();
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

  changeBucket(name: string, change: { readonly storageClass: string }): Promise<StorageBucket> {
    return this.records.change(name, change);
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

  [Symbol.dispose](): void {
    clearInterval(this.#sweeping);
  }

  async #sweepLater(): Promise<void> {
    try {
      await this.uploads.sweep(async () => new Set((await this.records.all()).map(({ id }) => id)));
    } catch (error) {
      this.log.error("unfinished R2 uploads could not be swept", { error: String(error) });
    }
  }
}
