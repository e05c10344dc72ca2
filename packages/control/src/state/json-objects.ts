import { text } from "node:stream/consumers";
import { type Bucket, LongshoreError } from "@longshore/contract";

/** A value and the etag that it was read with. */
export interface Stored<T> {
  readonly value: T;
  readonly etag: string;
}

/** JSON values of one type under a prefix of the bucket. Only this package writes there, so what is read is taken to be of that type. */
export class JsonObjects<T> {
  readonly #bucket: Bucket;
  readonly #prefix: string;

  constructor(bucket: Bucket, prefix: string) {
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  async get(name: string): Promise<Stored<T> | undefined> {
    const object = await this.#bucket.get(this.#prefix + name);
    if (object === undefined) return undefined;
    return { value: JSON.parse(await text(object.body)) as T, etag: object.etag };
  }

  /** Errors: `CONFLICT` when it exists. */
  async create(name: string, value: T): Promise<Stored<T>> {
    const { etag } = await this.#bucket.put(this.#prefix + name, JSON.stringify(value), { ifNoneMatch: "*" });
    return { value, etag };
  }

  /** Errors: `CONFLICT` when it is no longer as it was read. */
  async replace(name: string, before: Stored<T>, value: T): Promise<Stored<T>> {
    const { etag } = await this.#bucket.put(this.#prefix + name, JSON.stringify(value), { ifMatch: before.etag });
    return { value, etag };
  }

  /**
   * Reads, changes and writes back, again when somebody else came in between. `change` may run more than once.
   * Resolves to `undefined` when there is no such object.
   */
  async update(name: string, change: (value: T) => T): Promise<T | undefined> {
    for (let attempt = 1; ; attempt++) {
      const before = await this.get(name);
      if (before === undefined) return undefined;
      const after = change(before.value);
      if (after === before.value) return after;
      try {
        return (await this.replace(name, before, after)).value;
      } catch (error) {
        if (!(error instanceof LongshoreError && error.code === "CONFLICT") || attempt === UPDATE_ATTEMPTS) throw error;
      }
    }
  }

  delete(name: string): Promise<void> {
    return this.#bucket.delete(this.#prefix + name);
  }

  /** Every value, in the order of the names. */
  async all(): Promise<T[]> {
    const values: T[] = [];
    for await (const info of this.#bucket.list(this.#prefix)) {
      const stored = await this.get(info.key.slice(this.#prefix.length));
      if (stored !== undefined) values.push(stored.value);
    }
    return values;
  }
}

const UPDATE_ATTEMPTS = 10;
