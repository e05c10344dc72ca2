import type { Instance } from "../instance/instance.js";
import type { TenantHost } from "../tenant/tenant-host.js";
import type { ImageStore, ImagesInUse } from "./store.js";

/** A deploy that is rolled back soon finds its old image unpacked. */
export const COLLECT_GRACE_MS = 60 * 60_000;

/** Removes images that nobody needs any more: when it is started, when it is asked to, and now and then, since an image's grace must pass first. */
export class ImageCollector implements Disposable {
  readonly #images: ImageStore;
  readonly #inUse: () => ImagesInUse;
  readonly #failed: (error: unknown) => void;
  readonly #graceMs: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(images: ImageStore, inUse: () => ImagesInUse, failed: (error: unknown) => void, graceMs = COLLECT_GRACE_MS) {
    this.#images = images;
    this.#inUse = inUse;
    this.#failed = failed;
    this.#graceMs = graceMs;
  }

  start(): void {
    this.#timer = setInterval(() => void this.collect(), this.#graceMs / 4);
    this.#timer.unref();
    void this.collect();
  }

  /** Collects now; a call while one is running shares it. Never throws: the next one tries again. */
  async collect(): Promise<void> {
    this.#running ??= this.#images
      .collect(this.#inUse(), this.#graceMs)
      .then(() => undefined, this.#failed)
      .finally(() => {
        this.#running = undefined;
      });
    await this.#running;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** What tenants name, what instances run, and `others`: digests of what sandboxes are made ahead from, and of what snapshots belong on. */
export function imagesInUse(tenants: Iterable<TenantHost>, instances: Iterable<Instance>, others: Iterable<string>): ImagesInUse {
  const digests = new Set(others);
  for (const instance of instances) if (instance.live) digests.add(instance.record.imageDigest);
  const references = new Set(
    [...tenants].flatMap(({ config }) => config.classes.flatMap(({ image, next }) => (next === undefined ? [image] : [image, next.image]))),
  );
  return { digests, references };
}
