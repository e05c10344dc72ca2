/** A queue as the process that holds it must know it. */
export interface QueueSettings {
  /** 32 hex digits, never used again after the queue is destroyed. */
  readonly id: string;
  /** What consumers are told. */
  readonly name: string;
  /** Of messages that say none, and whose binding says none; in seconds. */
  readonly deliveryDelay?: number;
  readonly consumer?: QueueConsumer;
}

/** The Worker that gets a queue's messages. What is left out is as Cloudflare has it. */
export interface QueueConsumer {
  readonly script: string;
  /** 1 to 100; default 10. */
  readonly maxBatchSize?: number;
  /** How long a batch may wait to be full, 0 to 60 seconds; default 5. */
  readonly maxBatchTimeout?: number;
  /** How often a message is tried again; default 3. */
  readonly maxRetries?: number;
  /** Before a message is tried again, in seconds; default 0. */
  readonly retryDelay?: number;
  /** Batches at the same time; default: as many as seem good. */
  readonly maxConcurrency?: number;
  /** The id of the queue that takes what was tried often enough. Without one it is dropped. */
  readonly deadLetterQueue?: string;
}

export interface QueueFacts {
  readonly messages: number;
  readonly bytes: number;
}

/**
 * All queues' messages, by the queue's id. A message that was sent is durable, and is delivered at least once. Which queues there are is the
 * control plane's knowledge.
 */
export interface Queues {
  /** Sets what is to be known of every queue; queues that are not named have neither consumer nor delay. Errors: `INTERNAL`. */
  configure(queues: readonly QueueSettings[]): Promise<void>;
  facts(queue: string): Promise<QueueFacts>;
  /** Deletes every message. */
  purge(queue: string): Promise<void>;
  /** Deletes every message, and refuses the id from now on. */
  destroy(queue: string): Promise<void>;
}
