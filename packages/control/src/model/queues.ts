import type { QueueSettings } from "@longshore/contract";

/** The Worker that consumes a queue, as it was asked for; times in the API's units. */
export interface StoredConsumer {
  /** 32 hex digits. */
  readonly id: string;
  readonly script: string;
  readonly createdOn: string;
  readonly settings: ConsumerSettings;
  /** Name of a queue. */
  readonly deadLetterQueue?: string;
}

export interface ConsumerSettings {
  readonly batch_size?: number;
  readonly max_retries?: number;
  readonly max_wait_time_ms?: number;
  readonly max_concurrency?: number;
  readonly retry_delay?: number;
}

/** A queue as the control plane knows it; its messages are elsewhere. */
export interface StoredQueue {
  /** 32 hex digits. */
  readonly id: string;
  /** One of its kind. */
  readonly name: string;
  readonly createdOn: string;
  readonly modifiedOn: string;
  /** In seconds. */
  readonly deliveryDelay?: number;
  /** Messages stay where they are. */
  readonly isPaused?: boolean;
  readonly consumer?: StoredConsumer;
}

/** What the queues' process is to know of all queues. */
export function queueSettings(queues: readonly StoredQueue[]): QueueSettings[] {
  const idOf = (name: string | undefined) => queues.find((each) => each.name === name)?.id;
  return queues.map(({ id, name, deliveryDelay, isPaused, consumer }) => {
    const settings = { id, name, ...defined({ deliveryDelay }) };
    if (consumer === undefined || isPaused === true) return settings;
    const { batch_size, max_retries, max_wait_time_ms, max_concurrency, retry_delay } = consumer.settings;
    const options = defined({
      maxBatchSize: batch_size,
      maxRetries: max_retries,
      maxBatchTimeout: max_wait_time_ms === undefined ? undefined : max_wait_time_ms / 1000,
      maxConcurrency: max_concurrency,
      retryDelay: retry_delay,
      deadLetterQueue: idOf(consumer.deadLetterQueue),
    });
    return { ...settings, consumer: { script: consumer.script, ...options } };
  });
}

/** A queue as the API shows it; `producers` are the Workers that are bound to it. */
export function queueView(queue: StoredQueue, producers: readonly string[]): Record<string, unknown> {
  const { id, name, createdOn, modifiedOn, deliveryDelay = 0, isPaused = false, consumer } = queue;
  const consumers = consumer === undefined ? [] : [consumerView(queue, consumer)];
  return {
    queue_id: id,
    queue_name: name,
    created_on: createdOn,
    modified_on: modifiedOn,
    settings: { delivery_delay: deliveryDelay, delivery_paused: isPaused, message_retention_period: RETENTION_S },
    producers: producers.map((script) => ({ type: "worker", script })),
    producers_total_count: producers.length,
    consumers,
    consumers_total_count: consumers.length,
  };
}

/** In seconds; workerd's. */
export const RETENTION_S = 4 * 24 * 3600;

export function consumerView({ name }: StoredQueue, consumer: StoredConsumer): Record<string, unknown> {
  const { id, script, createdOn, settings, deadLetterQueue } = consumer;
  return {
    consumer_id: id,
    type: "worker",
    script,
    script_name: script,
    queue_name: name,
    created_on: createdOn,
    settings: { batch_size: 10, max_retries: 3, max_wait_time_ms: 5000, retry_delay: 0, ...settings },
    ...(deadLetterQueue === undefined ? {} : { dead_letter_queue: deadLetterQueue }),
  };
}

function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
