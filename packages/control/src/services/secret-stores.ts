import { type KeyedMutex, LongshoreError } from "@longshore/contract";
import { invalidScript } from "../api/errors.js";
import { newHexId } from "../model/ids.js";
import type { StoredBinding } from "../model/script-head.js";
import { SECRET_NAME_PATTERN, type SecretStore, type StoredSecret, sealedFor } from "../model/secret-stores.js";
import type { Clock } from "../options.js";
import type { JsonObjects } from "../state/json-objects.js";
import type { Sealer } from "../state/sealing.js";
import type { Store } from "../state/store.js";

export interface SecretStoresParts {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
}

export interface NewSecret {
  readonly name: string;
  readonly value: string;
  readonly scopes: readonly string[];
  readonly comment: string;
}

/** No script's name has a space. */
const LOCK = "secret stores";
const HEX_ID = /^[0-9a-f]{32}$/;

/** The account's Secrets Store. Values are sealed at rest, and are read by Workers and by the engine alone. */
export class SecretStores {
  readonly #parts: SecretStoresParts;

  constructor(parts: SecretStoresParts) {
    this.#parts = parts;
  }

  async list(): Promise<SecretStore[]> {
    return (await this.#parts.store.secretStores.all()).sort((a, b) => (a.createdOn < b.createdOn ? -1 : 1));
  }

  /** Errors: `NOT_FOUND`. */
  async get(id: string): Promise<SecretStore> {
    const stored = HEX_ID.test(id) ? await this.#parts.store.secretStores.get(id) : undefined;
    if (stored !== undefined) return stored.value;
    throw new LongshoreError("NOT_FOUND", `There is no secrets store ${id} on this installation.`, {
      hint: "`wrangler secrets-store store list --remote` names those there are.",
    });
  }

  /** Errors: `CONFLICT` when the name is taken. */
  create(name: string): Promise<SecretStore> {
    return this.#parts.locks.run(LOCK, async () => {
      if ((await this.list()).some((each) => each.name === name)) {
        throw new LongshoreError("CONFLICT", `There is a secrets store named "${name}" already.`, { hint: "Use another name." });
      }
      const id = newHexId();
      return (await this.#parts.store.secretStores.create(id, { id, name, createdOn: this.#now() })).value;
    });
  }

  /** With all its secrets. What still refers to one gets errors. Errors: `NOT_FOUND`. */
  delete(id: string): Promise<void> {
    return this.#parts.locks.run(LOCK, async () => {
      await this.get(id);
      for (const { name } of await this.#secrets(id).all()) await this.#secrets(id).delete(name);
      // Last, so that a crash in between leaves something that can be deleted again.
      await this.#parts.store.secretStores.delete(id);
    });
  }

  /** In order of their names. Errors: `NOT_FOUND`. */
  async secrets(storeId: string): Promise<StoredSecret[]> {
    await this.get(storeId);
    return await this.#secrets(storeId).all();
  }

  /** Errors: `NOT_FOUND`. */
  async secret(storeId: string, id: string): Promise<StoredSecret> {
    const found = (await this.secrets(storeId)).find((each) => each.id === id);
    if (found !== undefined) return found;
    throw new LongshoreError("NOT_FOUND", `The secrets store ${storeId} has no secret ${id}.`, {
      hint: `\`wrangler secrets-store secret list ${storeId} --remote\` names those it has.`,
    });
  }

  /** In their order; none when a name is taken. Errors: `NOT_FOUND`, `CONFLICT` when a name is taken. */
  add(storeId: string, secrets: readonly NewSecret[]): Promise<StoredSecret[]> {
    return this.#parts.locks.run(LOCK, async () => {
      const taken = new Set((await this.secrets(storeId)).map(({ name }) => name));
      for (const { name } of secrets) {
        if (taken.has(name)) {
          throw new LongshoreError("CONFLICT", `The secrets store ${storeId} has a secret "${name}" already.`, {
            hint: "Update that one, or use another name.",
          });
        }
        taken.add(name);
      }
      const added: StoredSecret[] = [];
      for (const { name, value, scopes, comment } of secrets) {
        const now = this.#now();
        const sealed = this.#parts.sealer.seal(sealedFor(storeId), name, value);
        const secret = { id: newHexId(), storeId, name, comment, scopes, sealed, createdOn: now, modifiedOn: now };
        added.push((await this.#secrets(storeId).create(name, secret)).value);
      }
      return added;
    });
  }

  /** Errors: `NOT_FOUND`. */
  change(storeId: string, id: string, changes: Partial<Omit<NewSecret, "name">>): Promise<StoredSecret> {
    return this.#parts.locks.run(LOCK, async () => {
      const { name } = await this.secret(storeId, id);
      const { value, ...facts } = changes;
      const sealed = value === undefined ? {} : { sealed: this.#parts.sealer.seal(sealedFor(storeId), name, value) };
      const changed = await this.#secrets(storeId).update(name, (secret) => ({ ...secret, ...facts, ...sealed, modifiedOn: this.#now() }));
      return changed ?? this.secret(storeId, id);
    });
  }

  /** A further secret with the same value. Errors: `NOT_FOUND`, `CONFLICT` when the name is taken. */
  async duplicate(storeId: string, id: string, as: Omit<NewSecret, "value">): Promise<StoredSecret[]> {
    const { name, sealed } = await this.secret(storeId, id);
    return this.add(storeId, [{ ...as, value: this.#parts.sealer.open(sealedFor(storeId), name, sealed) }]);
  }

  /** None when one of them is not there. Errors: `NOT_FOUND`. */
  remove(storeId: string, ids: readonly string[]): Promise<StoredSecret[]> {
    return this.#parts.locks.run(LOCK, async () => {
      const secrets: StoredSecret[] = [];
      for (const id of new Set(ids)) secrets.push(await this.secret(storeId, id));
      for (const { name } of secrets) await this.#secrets(storeId).delete(name);
      return secrets;
    });
  }

  /** The value, if there is such a secret for this scope. Errors: `INTERNAL` when it cannot be decrypted. */
  async read(storeId: string, name: string, scope: string): Promise<string | undefined> {
    if (!HEX_ID.test(storeId) || !SECRET_NAME_PATTERN.test(name)) return undefined;
    const secret = (await this.#secrets(storeId).get(name))?.value;
    if (secret === undefined || !secret.scopes.includes(scope)) return undefined;
    return this.#parts.sealer.open(sealedFor(storeId), name, secret.sealed);
  }

  /** Errors: `INVALID_INPUT` that names the first binding whose secret is not there, or not for Workers. */
  async assertExist(bindings: readonly StoredBinding[]): Promise<void> {
    for (const binding of bindings) {
      if (binding.type !== "secrets_store_secret") continue;
      const { name, storeId, secretName } = binding;
      const isNamed = HEX_ID.test(storeId) && SECRET_NAME_PATTERN.test(secretName);
      const secret = isNamed ? (await this.#secrets(storeId).get(secretName))?.value : undefined;
      if (secret?.scopes.includes("workers")) continue;
      const what = secret === undefined ? "is not there" : "is not in the scope of Workers";
      const verb = secret === undefined ? `create ${storeId} --name ${secretName}` : `update ${storeId} --secret-id ${secret.id}`;
      throw invalidScript(
        `Binding "${name}" (secrets_store_secret) cannot be served: secret "${secretName}" of the store ${storeId} ${what}.`,
        { hint: `Run \`wrangler secrets-store secret ${verb} --scopes workers --remote\`, and deploy again.` },
      );
    }
  }

  #secrets(storeId: string): JsonObjects<StoredSecret> {
    return this.#parts.store.storeSecrets(storeId);
  }

  #now(): string {
    return new Date(this.#parts.clock()).toISOString();
  }
}
