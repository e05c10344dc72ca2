/** What a KV namespace keeps beside each value. `expiration` in seconds since 1970; `metadata` is JSON text. */
export interface KeyFacts {
  readonly expiration?: number;
  readonly metadata?: string;
}

/** One page of a namespace's keys, in the order of their UTF-8 bytes. `cursor` is there unless the page is the last. */
export interface KeyPage {
  readonly keys: readonly (KeyFacts & { readonly name: string })[];
  readonly cursor?: string;
}

/**
 * The values of all KV namespaces, by the namespace's id. The same data as the Workers' bindings see, at once and after any crash:
 * a resolved write is durable. Which namespaces there are is the control plane's knowledge.
 *
 * Errors of all: `INVALID_INPUT` and `TOO_LARGE` in workerd's words (keys up to 512 bytes, values up to 25 MiB, metadata up to 1,024 bytes,
 * expiration at least 60 seconds away), `NOT_FOUND` for a namespace that was destroyed, `UNAVAILABLE`.
 */
export interface KeyValues {
  /** `undefined` when there is no such key, or it has expired. */
  get(namespace: string, key: string): Promise<{ readonly value: Uint8Array; readonly metadata?: string } | undefined>;
  put(namespace: string, key: string, value: Uint8Array, facts: KeyFacts & { readonly expirationTtl?: number }): Promise<void>;
  /** Deleting what is not there is fine. */
  delete(namespace: string, key: string): Promise<void>;
  list(namespace: string, query: { readonly prefix?: string; readonly limit?: number; readonly cursor?: string }): Promise<KeyPage>;
  /** Deletes all that the namespace holds, and refuses its id from now on. */
  destroy(namespace: string): Promise<void>;
}

export interface Statement {
  readonly sql: string;
  readonly params?: readonly unknown[];
}

/** What a statement answered. `meta` is workerd's own: `rows_read`, `rows_written`, `changes`, `last_row_id`, `size_after` …; bytes are lists of numbers. */
export interface StatementResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly meta: Readonly<Record<string, unknown>>;
}

/** What of a database is exported; all tables when none is named. */
export interface ExportOptions {
  readonly noSchema: boolean;
  readonly noData: boolean;
  readonly tables: readonly string[];
}

/**
 * All D1 databases, by id; the same data as the Workers' bindings see. A resolved write is durable.
 * Errors of all: `INVALID_INPUT` with SQLite's words, `NOT_FOUND` for a database that was destroyed, `UNAVAILABLE`.
 */
export interface Databases {
  /** Runs the statements in one transaction: when one fails, none has happened. A statement's text may hold several; the last one answers. */
  run(database: string, statements: readonly Statement[]): Promise<StatementResult[]>;
  /** The database as SQL statements, one to an item. */
  export(database: string, options: ExportOptions): Promise<string[]>;
  /** Deletes all that the database holds, and refuses its id from now on. */
  destroy(database: string): Promise<void>;
}
