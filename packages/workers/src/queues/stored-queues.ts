import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, type QueueFacts, type QueueSettings, type Queues } from "@longshore/contract";
import type { ServiceEntry } from "../services/service-calls.js";
import type { StorageProcess, StoreAnswer, StoreRequest } from "../storage/storage-process.js";
import { SHARDS_KEY } from "./queues-config.js";

export interface StoredQueuesParts {
  readonly process: StorageProcess;
  /** Where the process's objects are. */
  readonly storage: string;
  /** Has the consumers offer this, and nobody else; resolves when they do. */
  offer(entries: readonly ServiceEntry[]): Promise<void>;
}

/**
 * {@link Queues} in the queues' process. Which consumers there are is part of its configuration, so it is replaced when that changes: what is being sent
 * meanwhile waits on its socket, what is being delivered is delivered again.
 */
export class StoredQueues implements Queues {
  readonly #parts: StoredQueuesParts;
  #settings: readonly QueueSettings[] = [];
  #entries: readonly ServiceEntry[] = [];

  constructor(parts: StoredQueuesParts) {
    this.#parts = parts;
  }

  /** As the process's configuration should have it. */
  get settings(): readonly QueueSettings[] {
    return this.#settings;
  }

  async configure(queues: readonly QueueSettings[]): Promise<void> {
    const [settings, entries] = [this.#settings, this.#entries];
    const consumed = (each: QueueSettings) => each.consumer !== undefined;
    const added = queues.filter((each) => consumed(each) && !settings.some(({ id, consumer }) => id === each.id && consumer !== undefined));
    this.#settings = queues.filter((each) => consumed(each) || each.deliveryDelay !== undefined);
    const scripts = new Set(queues.flatMap(({ consumer }) => consumer?.script ?? []));
    this.#entries = [...scripts].sort().map((script) => ({ script, queues: true }));
    try {
      // A consumer must be there before it is called, and as long as it is.
      await this.#parts.offer([...entries, ...this.#entries]);
      if (this.#settings.length > 0 || this.#parts.process.isStarted) await this.#parts.process.start();
    } catch (error) {
      [this.#settings, this.#entries] = [settings, entries];
      await this.#parts.offer(entries);
      throw error;
    }
    // What was sent while nobody consumed has no alarm.
    for (const { id } of added) await this.#command(id, "wake", await this.#shards(id));
    await this.#parts.offer(this.#entries);
  }

  async facts(queue: string): Promise<QueueFacts> {
    const shards = await this.#shards(queue);
    if (shards.length === 0) return { messages: 0, bytes: 0 };
    const { body } = await this.#command(queue, "facts", shards);
    const all = JSON.parse(body.toString()) as QueueFacts[];
    return all.reduce((sum, each) => ({ messages: sum.messages + each.messages, bytes: sum.bytes + each.bytes }), {
      messages: 0,
      bytes: 0,
    });
  }

  async purge(queue: string): Promise<void> {
    await this.#command(queue, "purge", await this.#shards(queue));
  }

  async destroy(queue: string): Promise<void> {
    await this.#command(queue, "destroy", await this.#shards(queue));
  }

  /** The numbers of the queue's parts that exist: only of them may anything be asked, since asking makes them. */
  async #shards(queue: string): Promise<number[]> {
    const directory = join(this.#parts.storage, SHARDS_KEY);
    const files = new Set(await readdir(directory).catch((error: unknown) => (isErrno(error, "ENOENT") ? [] : Promise.reject(error))));
    if (files.size === 0) return [];
    const { body } = await this.#command(queue, "shards", []);
    const ids = JSON.parse(body.toString()) as string[];
    return ids.flatMap((id, number) => (files.has(`${id}.sqlite`) ? [number] : []));
  }

  #command(queue: string, command: StoreRequest["command"] & string, shards: readonly number[]): Promise<StoreAnswer> {
    // PUT, since each of them may be asked twice.
    return this.#parts.process.request({ store: { kind: "queue", id: queue }, method: "PUT", path: `/?shards=${shards.join()}`, command });
  }
}
