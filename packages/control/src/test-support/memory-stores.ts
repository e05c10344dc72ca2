import {
  type Databases,
  type KeyPage,
  type KeyValues,
  LongshoreError,
  type QueueFacts,
  type QueueSettings,
  type Queues,
  type StatementResult,
} from "@longshore/contract";

/** KV in memory: as much as the routes' tests need. The real one has tests of its own beside it. */
export class MemoryKeyValues implements KeyValues {
  readonly #spaces = new Map<string, Map<string, { value: Uint8Array; metadata?: string }>>();

  async get(namespace: string, key: string): Promise<{ value: Uint8Array; metadata?: string } | undefined> {
    return this.#space(namespace).get(key);
  }

  async put(namespace: string, key: string, value: Uint8Array, { metadata }: { metadata?: string }): Promise<void> {
    this.#space(namespace).set(key, { value, ...(metadata === undefined ? {} : { metadata }) });
  }

  async delete(namespace: string, key: string): Promise<void> {
    this.#space(namespace).delete(key);
  }

  async list(namespace: string): Promise<KeyPage> {
    return { keys: [...this.#space(namespace).keys()].sort().map((name) => ({ name })) };
  }

  async destroy(namespace: string): Promise<void> {
    this.#spaces.delete(namespace);
  }

  /** Every pair, as a text. */
  state(): string[] {
    return [...this.#spaces].flatMap(([id, pairs]) => [...pairs].map(([key, { value, metadata }]) => `${id} ${key} ${value} ${metadata}`));
  }

  #space(id: string): Map<string, { value: Uint8Array; metadata?: string }> {
    const space = this.#spaces.get(id) ?? new Map();
    this.#spaces.set(id, space);
    return space;
  }
}

/** D1 that remembers what it was asked and has no rows. */
export class RecordingDatabases implements Databases {
  readonly statements: string[] = [];

  async run(_database: string, statements: readonly { readonly sql: string }[]): Promise<StatementResult[]> {
    const wrong = statements.find(({ sql }) => sql.includes("nope"));
    if (wrong !== undefined) throw new LongshoreError("INVALID_INPUT", "no such table: nope");
    this.statements.push(...statements.map(({ sql }) => sql));
    return statements.map(() => ({ columns: ["one"], rows: [[1]], meta: { rows_read: 1, rows_written: 2, size_after: 4096 } }));
  }

  async export(): Promise<string[]> {
    return ["CREATE TABLE t (n);"];
  }

  async destroy(): Promise<void> {
    this.statements.length = 0;
  }
}

/** Queues that remember what they were told and hold nothing. */
export class RecordingQueues implements Queues {
  settings: readonly QueueSettings[] = [];
  readonly purged: string[] = [];
  readonly destroyed: string[] = [];
  /** What telling them answers, if anything. */
  failure: LongshoreError | undefined;

  async configure(queues: readonly QueueSettings[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.settings = queues;
  }

  async facts(): Promise<QueueFacts> {
    return { messages: 2, bytes: 20 };
  }

  async purge(queue: string): Promise<void> {
    this.purged.push(queue);
  }

  async destroy(queue: string): Promise<void> {
    this.destroyed.push(queue);
  }
}
