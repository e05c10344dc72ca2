import { type KeyedMutex, LongshoreError, type Queues as Messages, type QueueFacts } from "@longshore/contract";
import { invalidScript, scriptNotFound } from "../api/errors.js";
import { newHexId } from "../model/ids.js";
import { type ConsumerSettings, queueSettings, type StoredConsumer, type StoredQueue } from "../model/queues.js";
import type { StoredBinding } from "../model/script-head.js";
import type { Clock } from "../options.js";
import type { Store } from "../state/store.js";

export interface QueuesParts {
  readonly store: Store;
  readonly messages: Messages;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
}

export interface ConsumerRequest {
  readonly script: string;
  readonly settings: ConsumerSettings;
  readonly deadLetterQueue?: string;
}

/** No script's name has a space: names are given out, and consumers set, one at a time. */
const LOCK = "all queues";

/** Which queues there are, and who consumes them. */
export class Queues {
  readonly #parts: QueuesParts;

  constructor(parts: QueuesParts) {
    this.#parts = parts;
  }

  async list(): Promise<StoredQueue[]> {
    return (await this.#parts.store.queues.all()).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Errors: `NOT_FOUND`. */
  async get(id: string): Promise<StoredQueue> {
    const stored = /^[0-9a-f]{32}$/.test(id) ? await this.#parts.store.queues.get(id) : undefined;
    if (stored !== undefined) return stored.value;
    throw new LongshoreError("NOT_FOUND", `There is no queue ${id} on this installation.`, {
      hint: "`wrangler queues list` names those there are.",
    });
  }

  /** Errors: `CONFLICT` when the name is taken. */
  create(name: string, deliveryDelay: number | undefined): Promise<StoredQueue> {
    return this.#parts.locks.run(LOCK, async () => {
      await this.#assertNameFree(name);
      const now = this.#now();
      const id = newHexId();
      const queue = { id, name, createdOn: now, modifiedOn: now, ...(deliveryDelay === undefined ? {} : { deliveryDelay }) };
      await this.#parts.store.queues.create(id, queue);
      if (deliveryDelay !== undefined) await this.#tell();
      return queue;
    });
  }

  /** Errors: `NOT_FOUND`, `CONFLICT` when the name is taken. */
  change(id: string, changes: Partial<Pick<StoredQueue, "name" | "deliveryDelay" | "isPaused">>): Promise<StoredQueue> {
    return this.#parts.locks.run(LOCK, async () => {
      const before = await this.get(id);
      if (changes.name !== undefined && changes.name !== before.name) await this.#assertNameFree(changes.name);
      return this.#update(before, (queue) => ({ ...queue, ...changes }));
    });
  }

  /** With all its messages. A Worker that is still bound to it gets errors. Errors: `NOT_FOUND`, `CONFLICT` when it takes another's dead letters. */
  delete(id: string): Promise<void> {
    return this.#parts.locks.run(LOCK, async () => {
      const queue = await this.get(id);
      const user = (await this.list()).find((each) => each.id !== id && each.consumer?.deadLetterQueue === queue.name);
      if (user !== undefined) {
        throw new LongshoreError("CONFLICT", `The queue "${queue.name}" is the dead letter queue of "${user.name}".`, {
          hint: `Give the consumer of "${user.name}" another one first, or remove it.`,
        });
      }
      if (queue.consumer !== undefined) await this.#update(queue, ({ consumer: _consumer, ...rest }) => rest);
      // First, so that a crash in between leaves something that can be deleted again.
      await this.#parts.messages.destroy(id);
      await this.#parts.store.queues.delete(id);
    });
  }

  /** Errors: `NOT_FOUND`. */
  async purge(id: string): Promise<void> {
    await this.#parts.messages.purge((await this.get(id)).id);
  }

  /** Errors: `NOT_FOUND`. */
  async facts(id: string): Promise<QueueFacts> {
    return this.#parts.messages.facts((await this.get(id)).id);
  }

  /** Errors: `NOT_FOUND`, `CONFLICT` when it has one, `INVALID_INPUT`. */
  addConsumer(id: string, request: ConsumerRequest): Promise<StoredQueue> {
    return this.#parts.locks.run(LOCK, async () => {
      const queue = await this.get(id);
      if (queue.consumer !== undefined) {
        throw new LongshoreError("CONFLICT", `The queue "${queue.name}" has a consumer already: Worker "${queue.consumer.script}".`, {
          hint: `Remove it with \`wrangler queues consumer remove ${queue.name} ${queue.consumer.script}\`.`,
        });
      }
      const consumer: StoredConsumer = { id: newHexId(), createdOn: this.#now(), ...(await this.#checked(request)) };
      return this.#update(queue, (each) => ({ ...each, consumer }));
    });
  }

  /** Errors: `NOT_FOUND`, `INVALID_INPUT`. */
  changeConsumer(id: string, consumerId: string, request: ConsumerRequest): Promise<StoredQueue> {
    return this.#parts.locks.run(LOCK, async () => {
      const queue = await this.get(id);
      const { createdOn } = consumerOf(queue, consumerId);
      const consumer: StoredConsumer = { id: consumerId, createdOn, ...(await this.#checked(request)) };
      return this.#update(queue, (each) => ({ ...each, consumer }));
    });
  }

  /** Errors: `NOT_FOUND`. */
  removeConsumer(id: string, consumerId: string): Promise<void> {
    return this.#parts.locks.run(LOCK, async () => {
      const queue = await this.get(id);
      consumerOf(queue, consumerId);
      await this.#update(queue, ({ consumer: _consumer, ...rest }) => rest);
    });
  }

  /** A Worker is about to go: it consumes nothing any more. */
  forget(script: string): Promise<void> {
    return this.#parts.locks.run(LOCK, async () => {
      for (const queue of await this.list()) {
        if (queue.consumer?.script === script) await this.#update(queue, ({ consumer: _consumer, ...rest }) => rest);
      }
    });
  }

  /** Tells the queues' process what it is to know: after a start, before any Worker runs. */
  resume(): Promise<void> {
    return this.#parts.locks.run(LOCK, () => this.#tell());
  }

  /** By queue's id, the scripts whose running version is bound to it. */
  async producers(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { store } = this.#parts;
    const producers = new Map<string, string[]>();
    for (const head of await store.liveHeads()) {
      const { bindings } = await store.activeVersion(head);
      for (const id of new Set(bindings.flatMap((each) => (each.type === "queue" ? [each.queueId] : []))))
        producers.set(id, [...(producers.get(id) ?? []), head.name]);
    }
    return producers;
  }

  /** Ids by name. */
  async ids(): Promise<ReadonlyMap<string, string>> {
    return new Map((await this.list()).map(({ name, id }) => [name, id]));
  }

  /** Errors: `INVALID_INPUT` that names the first binding whose queue is not there any more. */
  async assertExist(bindings: readonly StoredBinding[]): Promise<void> {
    for (const binding of bindings) {
      if (binding.type !== "queue" || (await this.#parts.store.queues.get(binding.queueId)) !== undefined) continue;
      throw invalidScript(`Binding "${binding.name}" (queue) cannot be served: the queue "${binding.queueName}" is deleted.`, {
        hint: `Create it (\`wrangler queues create ${binding.queueName}\`), and deploy again.`,
      });
    }
  }

  async #checked({ script, settings, deadLetterQueue }: ConsumerRequest): Promise<Omit<StoredConsumer, "id" | "createdOn">> {
    const { store } = this.#parts;
    const head = await store.findHead(script);
    if (head === undefined) throw scriptNotFound(script);
    if ((await store.activeVersion(head.value)).modules.length === 0) {
      throw new LongshoreError("INVALID_INPUT", `The Worker "${script}" has files and no code that could consume a queue.`, {
        hint: "Name its main module, and deploy it first.",
      });
    }
    if (deadLetterQueue === undefined) return { script, settings };
    if ((await this.ids()).has(deadLetterQueue)) return { script, settings, deadLetterQueue };
    throw new LongshoreError("INVALID_INPUT", `The dead letter queue "${deadLetterQueue}" does not exist.`, {
      hint: `Create it: \`wrangler queues create ${deadLetterQueue}\`.`,
    });
  }

  /** Writes a change and tells the queues' process; when that fails, nothing has changed. */
  async #update(before: StoredQueue, change: (queue: StoredQueue) => StoredQueue): Promise<StoredQueue> {
    const { queues } = this.#parts.store;
    const changed = (await queues.update(before.id, (each) => ({ ...change(each), modifiedOn: this.#now() }))) ?? before;
    try {
      await this.#tell();
    } catch (error) {
      await queues.update(before.id, () => before);
      throw error;
    }
    return changed;
  }

  async #tell(): Promise<void> {
    await this.#parts.messages.configure(queueSettings(await this.list()));
  }

  async #assertNameFree(name: string): Promise<void> {
    if (!(await this.ids()).has(name)) return;
    throw new LongshoreError("CONFLICT", `There is a queue named "${name}" already.`, { hint: "Use another name." });
  }

  #now(): string {
    return new Date(this.#parts.clock()).toISOString();
  }
}

function consumerOf({ consumer, name }: StoredQueue, id: string): StoredConsumer {
  if (consumer?.id === id) return consumer;
  throw new LongshoreError("NOT_FOUND", `The queue "${name}" has no consumer ${id}.`, {
    hint: `\`wrangler queues consumer list ${name}\` names the one it has.`,
  });
}
