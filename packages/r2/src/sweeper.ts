import { type Bucket, DEFAULT_LIFECYCLE, inParallel } from "@longshore/contract";
import type { BucketRecord, Buckets } from "./buckets.js";
import { listObjects } from "./listing.js";
import type { Objects } from "./objects.js";
import { classFor, isAbandoned, isExpired, touchObjects } from "./rules.js";
import type { Uploads } from "./uploads.js";

const PARALLEL = 16;

export interface SweeperParts {
  readonly bucket: Bucket;
  readonly records: Buckets;
  readonly objects: Objects;
  readonly uploads: Uploads;
  readonly clock: () => number;
}

/** Does what buckets' lifecycle rules say. What a kill interrupts is done by the next sweep: each step is one of its own. */
export class Sweeper {
  readonly #parts: SweeperParts;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  /** Resolves when everything that was due at its beginning is done. One at a time. */
  sweep(): Promise<void> {
    const mine = this.#running.then(() => this.#sweep());
    this.#running = mine.catch(() => undefined);
    return mine;
  }

  async #sweep(): Promise<void> {
    const { records, uploads, clock } = this.#parts;
    const now = clock();
    await uploads.sweep(async () => {
      const all = new Map((await records.all()).map((record) => [record.id, record]));
      return (id, upload) => {
        const record = all.get(id);
        return record !== undefined && upload !== undefined && !isAbandoned(record.lifecycle ?? DEFAULT_LIFECYCLE, upload, now);
      };
    });
    for (const record of await records.all()) if (touchObjects(record.lifecycle ?? [])) await this.#sweepObjects(record, now);
  }

  async #sweepObjects(record: BucketRecord, now: number): Promise<void> {
    const { bucket, objects } = this.#parts;
    const rules = record.lifecycle ?? [];
    let cursor: string | undefined;
    do {
      const page = await listObjects(bucket, objects, record.id, cursor === undefined ? {} : { cursor });
      await inParallel(PARALLEL, page.objects, async (object) => {
        if (isExpired(rules, object, now)) return await objects.deleteIf(record, object.key, (each) => isExpired(rules, each, now));
        const wanted = classFor(rules, object, now);
        if (wanted === undefined || wanted === object.storageClass) return;
        await objects.changeClass(record, object.key, (each) => classFor(rules, each, now));
      });
      cursor = page.cursor;
    } while (cursor !== undefined);
  }
}
