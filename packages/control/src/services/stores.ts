import { randomUUID } from "node:crypto";
import { type Databases, type KeyedMutex, type KeyValues, LongshoreError } from "@longshore/contract";
import { API_CODE, ApiError, invalidScript } from "../api/errors.js";
import { newHexId, UUID_PATTERN } from "../model/ids.js";
import type { StoredBinding } from "../model/script-head.js";
import type { Database, KvNamespace } from "../model/stores.js";
import type { Clock } from "../options.js";
import type { Store } from "../state/store.js";

export interface StoresParts {
  readonly store: Store;
  readonly keyValues: KeyValues;
  readonly databases: Databases;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
}

/** No script's name has a space: names of stores are given out one at a time. */
const LOCK = "kv and d1";

/** Which KV namespaces and D1 databases there are. */
export class Stores {
  readonly #parts: StoresParts;

  constructor(parts: StoresParts) {
    this.#parts = parts;
  }

  async namespaces(): Promise<KvNamespace[]> {
    return (await this.#parts.store.kvNamespaces.all()).sort((a, b) => (a.title < b.title ? -1 : 1));
  }

  /** Errors: `NOT_FOUND`. */
  async namespace(id: string): Promise<KvNamespace> {
    const stored = /^[0-9a-f]{32}$/.test(id) ? await this.#parts.store.kvNamespaces.get(id) : undefined;
    if (stored !== undefined) return stored.value;
    throw new ApiError("NOT_FOUND", API_CODE.KV_NAMESPACE_NOT_FOUND, `There is no KV namespace ${id} on this installation.`, {
      hint: "`wrangler kv namespace list` names those there are.",
    });
  }

  /** Errors: `CONFLICT` when the title is taken. */
  createNamespace(title: string): Promise<KvNamespace> {
    return this.#parts.locks.run(LOCK, async () => {
      await this.#assertTitleFree(title);
      const id = newHexId();
      return (await this.#parts.store.kvNamespaces.create(id, { id, title })).value;
    });
  }

  /** Errors: `NOT_FOUND`, `CONFLICT` when the title is taken. */
  renameNamespace(id: string, title: string): Promise<KvNamespace> {
    return this.#parts.locks.run(LOCK, async () => {
      const before = await this.namespace(id);
      if (before.title !== title) await this.#assertTitleFree(title);
      return (await this.#parts.store.kvNamespaces.update(id, (each) => ({ ...each, title }))) ?? this.namespace(id);
    });
  }

  /** With all its keys. A Worker that is still bound to it gets errors. Errors: `NOT_FOUND`. */
  async deleteNamespace(id: string): Promise<void> {
    await this.namespace(id);
    // First, so that a crash in between leaves something that can be deleted again.
    await this.#parts.keyValues.destroy(id);
    await this.#parts.store.kvNamespaces.delete(id);
  }

  async databases(): Promise<Database[]> {
    return (await this.#parts.store.databases.all()).sort((a, b) => (a.createdOn < b.createdOn ? -1 : 1));
  }

  /** By UUID or name. Errors: `NOT_FOUND`. */
  async database(idOrName: string): Promise<Database> {
    const stored = UUID_PATTERN.test(idOrName) ? await this.#parts.store.databases.get(idOrName) : undefined;
    const found = stored?.value ?? (await this.databases()).find(({ name }) => name === idOrName);
    if (found !== undefined) return found;
    throw new ApiError("NOT_FOUND", API_CODE.DATABASE_NOT_FOUND, `There is no D1 database ${idOrName} on this installation.`, {
      hint: "`wrangler d1 list` names those there are.",
    });
  }

  /** Errors: `CONFLICT` when the name is taken. */
  createDatabase(name: string): Promise<Database> {
    return this.#parts.locks.run(LOCK, async () => {
      if ((await this.databases()).some((each) => each.name === name)) {
        throw new ApiError("CONFLICT", API_CODE.DATABASE_EXISTS, `There is a D1 database named "${name}" already.`, {
          hint: "Use another name.",
        });
      }
      const createdOn = new Date(this.#parts.clock()).toISOString();
      const uuid = randomUUID();
      return (await this.#parts.store.databases.create(uuid, { uuid, name, createdOn })).value;
    });
  }

  /** With all it holds. A Worker that is still bound to it gets errors. Errors: `NOT_FOUND`. */
  async deleteDatabase(idOrName: string): Promise<void> {
    const { uuid } = await this.database(idOrName);
    await this.#parts.databases.destroy(uuid);
    await this.#parts.store.databases.delete(uuid);
  }

  /** Errors: `INVALID_INPUT` that names the first binding whose namespace or database is not there. */
  async assertExist(bindings: readonly StoredBinding[]): Promise<void> {
    for (const binding of bindings) {
      try {
        if (binding.type === "kv_namespace") await this.namespace(binding.namespaceId);
        if (binding.type === "d1") await this.database(binding.databaseId);
      } catch (error) {
        if (!(error instanceof LongshoreError && error.code === "NOT_FOUND")) throw error;
        const hint = `Create it (\`wrangler ${binding.type === "d1" ? "d1" : "kv namespace"} create\`) and give its id in the configuration file.`;
        throw invalidScript(`Binding "${binding.name}" (${binding.type}) cannot be served. ${error.message}`, { cause: error, hint });
      }
    }
  }

  async #assertTitleFree(title: string): Promise<void> {
    if (!(await this.namespaces()).some((each) => each.title === title)) return;
    throw new ApiError("CONFLICT", API_CODE.KV_NAMESPACE_EXISTS, `There is a KV namespace titled "${title}" already.`, {
      hint: "Use another title.",
    });
  }
}
