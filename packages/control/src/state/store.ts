import type { Bucket } from "@longshore/contract";
import { LongshoreError } from "@longshore/contract";
import { scriptNotFound, versionNotFound } from "../api/errors.js";
import type { Application } from "../model/application.js";
import { SCRIPT_NAME_PATTERN, UUID_PATTERN } from "../model/ids.js";
import type { ImageRegistry } from "../model/image-registries.js";
import type { UploadedModule } from "../model/modules.js";
import type { StoredQueue } from "../model/queues.js";
import { activeVersionId, type ScriptHead, type StoredVersion } from "../model/script-head.js";
import type { SecretStore, StoredSecret } from "../model/secret-stores.js";
import type { Database, KvNamespace } from "../model/stores.js";
import { JsonObjects, type Stored } from "./json-objects.js";

export const REGISTRIES_PREFIX = "control/image-registries/";

export function storeSecretKey(storeId: string, name: string): string {
  return `control/store-secrets/${storeId}/${name}`;
}

/**
 * Where the control plane keeps things in the bucket:
 * ```
 * control/script-heads/<script>              one head for each script
 * control/scripts/<script>/versions/<uuid>   immutable
 * control/scripts/<script>/modules/<sha256>  immutable, shared by the script's versions
 * control/kv-namespaces/<id>                 names; the keys are in the storage process
 * control/databases/<uuid>                   likewise
 * control/queues/<id>                        names and consumers; the messages are in the queues' process
 * control/secret-stores/<id>                 names
 * control/store-secrets/<id>/<name>          sealed values
 * control/image-registries/<domain>          other registries, with sealed passwords
 * control/applications/<uuid>                one head for each containers application
 * ```
 */
export class Store {
  readonly heads: JsonObjects<ScriptHead>;
  readonly applications: JsonObjects<Application>;
  readonly kvNamespaces: JsonObjects<KvNamespace>;
  readonly databases: JsonObjects<Database>;
  readonly queues: JsonObjects<StoredQueue>;
  readonly imageRegistries: JsonObjects<ImageRegistry>;
  readonly secretStores: JsonObjects<SecretStore>;
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
    this.heads = new JsonObjects(bucket, "control/script-heads/");
    this.kvNamespaces = new JsonObjects(bucket, "control/kv-namespaces/");
    this.databases = new JsonObjects(bucket, "control/databases/");
    this.queues = new JsonObjects(bucket, "control/queues/");
    this.imageRegistries = new JsonObjects(bucket, REGISTRIES_PREFIX);
    this.secretStores = new JsonObjects(bucket, "control/secret-stores/");
    this.applications = new JsonObjects(bucket, "control/applications/");
  }

  /** The script's head; one that is being deleted counts as gone. Errors: `NOT_FOUND`. */
  async head(script: string): Promise<Stored<ScriptHead>> {
    const head = await this.findHead(script);
    if (head === undefined) throw scriptNotFound(script);
    return head;
  }

  async findHead(script: string): Promise<Stored<ScriptHead> | undefined> {
    if (!SCRIPT_NAME_PATTERN.test(script)) return undefined;
    const head = await this.heads.get(script);
    return head?.value.deleting ? undefined : head;
  }

  /** The head of every script that is not being deleted. */
  async liveHeads(): Promise<ScriptHead[]> {
    return (await this.heads.all()).filter((each) => !each.deleting);
  }

  /** A store's secrets, by name. The id must be one of 32 hex digits. */
  storeSecrets(storeId: string): JsonObjects<StoredSecret> {
    return new JsonObjects(this.#bucket, storeSecretKey(storeId, ""));
  }

  versions(script: string): JsonObjects<StoredVersion> {
    return new JsonObjects(this.#bucket, `control/scripts/${script}/versions/`);
  }

  /** Errors: `NOT_FOUND`. */
  async version(script: string, id: string): Promise<StoredVersion> {
    const stored = UUID_PATTERN.test(id) ? await this.versions(script).get(id) : undefined;
    if (stored === undefined) throw versionNotFound(script, id);
    return stored.value;
  }

  /** What runs. Errors: `NOT_FOUND`. */
  activeVersion(head: ScriptHead): Promise<StoredVersion> {
    return this.version(head.name, activeVersionId(head));
  }

  moduleKey(script: string, digest: string): string {
    return `control/scripts/${script}/modules/${digest}`;
  }

  /** Stores the modules that are not there yet; resolves to the keys that it has written. */
  async putModules(script: string, modules: readonly UploadedModule[]): Promise<string[]> {
    const written: string[] = [];
    for (const module of modules) {
      const key = this.moduleKey(script, module.digest);
      try {
        await this.#bucket.put(key, module.bytes, { ifNoneMatch: "*" });
        written.push(key);
      } catch (error) {
        // The same content is there already, under the key that its digest gives it.
        if (!(error instanceof LongshoreError && error.code === "CONFLICT")) throw error;
      }
    }
    return written;
  }

  async deleteModules(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#bucket.delete(key);
  }

  /** Deletes the script's versions and modules. */
  async deleteScriptObjects(script: string): Promise<void> {
    const keys: string[] = [];
    for await (const info of this.#bucket.list(`control/scripts/${script}/`)) keys.push(info.key);
    await this.deleteModules(keys);
  }
}
