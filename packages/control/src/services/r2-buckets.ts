import { type BucketSettings, LongshoreError, type ObjectStorage, type StorageBucket } from "@longshore/contract";
import { API_CODE, ApiError, invalidScript } from "../api/errors.js";
import type { StoredBinding } from "../model/script-head.js";

/** R2's buckets with the API's numbers for what goes wrong. */
export class R2Buckets {
  readonly #storage: ObjectStorage;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  /** Errors: `NOT_FOUND`. */
  async get(name: string): Promise<StorageBucket> {
    return await numbered(this.#storage.bucket(name));
  }

  /** Errors: `CONFLICT` when it is there. */
  async create(name: string, options: { storageClass?: string; location?: string }): Promise<StorageBucket> {
    return await numbered(this.#storage.createBucket(name, options), API_CODE.BUCKET_EXISTS);
  }

  async change(name: string, change: BucketSettings): Promise<StorageBucket> {
    return await numbered(this.#storage.changeBucket(name, change));
  }

  /** A Worker that is still bound to it gets errors. Errors: `NOT_FOUND`, `CONFLICT` when it is not empty. */
  async delete(name: string): Promise<void> {
    await numbered(this.#storage.deleteBucket(name), API_CODE.BUCKET_NOT_EMPTY);
  }

  /** Errors: `INVALID_INPUT` that names the first binding whose bucket is not there. */
  async assertExist(bindings: readonly StoredBinding[]): Promise<void> {
    for (const binding of bindings) {
      if (binding.type !== "r2_bucket") continue;
      const { name, bucketName } = binding;
      try {
        await this.#storage.bucket(bucketName);
      } catch (cause) {
        if (!(cause instanceof LongshoreError && cause.code === "NOT_FOUND")) throw cause;
        const what = `Binding "${name}" (r2_bucket) cannot be served. There is no R2 bucket "${bucketName}" on this installation.`;
        throw invalidScript(what, { cause, hint: `Create it: \`wrangler r2 bucket create ${bucketName}\`.` });
      }
    }
  }
}

async function numbered<T>(operation: Promise<T>, conflict?: number): Promise<T> {
  try {
    return await operation;
  } catch (cause) {
    if (!(cause instanceof LongshoreError)) throw cause;
    const { code, message, hint } = cause;
    const number = code === "NOT_FOUND" ? API_CODE.BUCKET_NOT_FOUND : code === "CONFLICT" ? conflict : undefined;
    if (number === undefined) throw cause;
    throw new ApiError(code, number, message, { cause, ...(hint === undefined ? {} : { hint }) });
  }
}
