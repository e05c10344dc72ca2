import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryBucket } from "@longshore/bucket";
import { R2Storage } from "../storage.js";

/** R2 over a real bucket in a temporary directory. */
export class TestStorage implements AsyncDisposable {
  readonly directory: string;
  readonly errors: string[] = [];
  now: number | undefined;
  #storage: R2Storage;

  private constructor(directory: string, bucket: DirectoryBucket) {
    this.directory = directory;
    this.#storage = this.#over(bucket);
  }

  static async open(): Promise<TestStorage> {
    const directory = await mkdtemp(join(tmpdir(), "longshore-r2-"));
    return new TestStorage(directory, await DirectoryBucket.open(join(directory, "bucket")));
  }

  get storage(): R2Storage {
    return this.#storage;
  }

  /** The process is gone, and another one opens the same bucket. */
  async reopen(): Promise<void> {
    this.#storage[Symbol.dispose]();
    this.#storage = this.#over(await DirectoryBucket.open(join(this.directory, "bucket")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#storage[Symbol.dispose]();
    await rm(this.directory, { recursive: true, force: true });
  }

  #over(bucket: DirectoryBucket): R2Storage {
    const log = { error: (message: string, facts?: unknown) => void this.errors.push(`${message} ${JSON.stringify(facts)}`) };
    return new R2Storage({ bucket, log, clock: () => this.now ?? Date.now() });
  }
}
