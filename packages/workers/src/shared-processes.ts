import type { WorkerTarget } from "@longshore/contract";
import type { ScriptPlaces } from "./layout.js";
import type { ProcessRecord } from "./process/record.js";
import { QUEUES_NAME, queuesProgram, sendsToQueues } from "./queues/queues-config.js";
import { StoredQueues, type StoredQueuesParts } from "./queues/stored-queues.js";
import { needsStorage } from "./storage/bindings-config.js";
import { StoredDatabases } from "./storage/databases.js";
import { StoredKeyValues } from "./storage/key-values.js";
import { STORAGE_PROGRAM } from "./storage/storage-config.js";
import { StorageProcess, type StorageProcessOptions } from "./storage/storage-process.js";

export interface SharedProcessesOptions extends Omit<StorageProcessOptions, "program" | "places"> {
  readonly runDirectory: string;
  places(name: string): ScriptPlaces;
  readonly offer: StoredQueuesParts["offer"];
}

/** The workerds that hold data of all applications: one for KV and D1, one for queues. */
export class SharedProcesses {
  readonly #storage: StorageProcess;
  readonly #queues: StorageProcess;
  readonly keyValues: StoredKeyValues;
  readonly databases: StoredDatabases;
  readonly queues: StoredQueues;

  constructor({ places, offer, runDirectory, ...options }: SharedProcessesOptions) {
    this.#storage = new StorageProcess({ ...options, program: STORAGE_PROGRAM, places: places(STORAGE_PROGRAM.name) });
    this.keyValues = new StoredKeyValues(this.#storage);
    this.databases = new StoredDatabases(this.#storage);
    const program = queuesProgram(runDirectory, () => this.queues.settings);
    this.#queues = new StorageProcess({ ...options, program, places: places(QUEUES_NAME) });
    this.queues = new StoredQueues({ process: this.#queues, storage: places(QUEUES_NAME).storage, offer });
  }

  /** What applications' workerds connect to. */
  get sockets(): { readonly storageSocket: string; readonly queuesSocket: string } {
    return { storageSocket: this.#storage.socketPath, queuesSocket: this.#queues.socketPath };
  }

  /** Resolves when what the Worker is bound to can be reached. */
  async startFor(target: WorkerTarget): Promise<void> {
    if (needsStorage(target)) await this.#storage.start();
    if (sendsToQueues(target)) await this.#queues.start();
  }

  /** Takes over a process that an earlier server started; false when the name is none of theirs. Throws when it cannot be watched. */
  adopt(name: string, record: ProcessRecord): boolean {
    const process = name === STORAGE_PROGRAM.name ? this.#storage : name === QUEUES_NAME ? this.#queues : undefined;
    process?.adopt(record);
    return process !== undefined;
  }

  /** Before the applications end: nothing is to be delivered to who has ended. */
  stopDelivering(): Promise<void> {
    return this.#queues.stop();
  }

  /** After the applications have ended: what they still do has its data. */
  stop(): Promise<void> {
    return this.#storage.stop();
  }

  async detach(): Promise<void> {
    await Promise.all([this.#storage.detach(), this.#queues.detach()]);
  }
}
