import { type Engine, LongshoreError, type WorkerHost, type WorkerTarget } from "@longshore/contract";
import { invalidScript } from "../api/errors.js";
import { openBindings } from "../model/bindings.js";
import { activeVersionId, type ScriptHead, type StoredVersion } from "../model/script-head.js";
import type { Log } from "../options.js";
import type { Stored } from "../state/json-objects.js";
import type { Sealer } from "../state/sealing.js";
import type { Store } from "../state/store.js";
import type { Queues } from "./queues.js";
import type { R2Buckets } from "./r2-buckets.js";
import type { SecretStores } from "./secret-stores.js";
import type { Stores } from "./stores.js";
import type { Tenants } from "./tenants.js";
import type { ImageChange, VersionImages } from "./version-images.js";

export interface ReleasesParts {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly engine: Engine;
  readonly workers: WorkerHost;
  readonly tenants: Tenants;
  readonly stores: Stores;
  readonly versionImages: VersionImages;
  readonly buckets: R2Buckets;
  readonly secretStores: SecretStores;
  readonly queues: Queues;
  readonly log: Log;
}

/** Brings a script from one head to the next: checked before, swapped in one write, put back when it does not come up. */
export class Releases {
  readonly #parts: ReleasesParts;
  /** Scripts that somebody has begun to watch since this server started. */
  readonly #watched = new Set<string>();

  constructor(parts: ReleasesParts) {
    this.#parts = parts;
  }

  /** What should be running for a version of the script. */
  target(head: ScriptHead, version: StoredVersion): WorkerTarget {
    const { sealer, engine } = this.#parts;
    const { etag: _etag, bindings, ...rest } = version;
    return {
      script: head.name,
      version: { ...rest, bindings: openBindings(bindings, (name, sealed) => sealer.open(head.name, name, sealed)) },
      namespaces: head.namespaces,
      traced: this.#watched.has(head.name) || observed(head),
      ...(head.crons === undefined ? {} : { crons: head.crons }),
      ...(version.containers.length === 0 ? {} : { engineSocket: engine.socketPath(head.name) }),
    };
  }

  /** Tries a version out without touching what runs. Errors: `INVALID_INPUT` in workerd's words, `UNSUPPORTED`. */
  async check(head: ScriptHead, version: StoredVersion): Promise<{ startupMs: number }> {
    await this.#parts.stores.assertExist(version.bindings);
    await this.#parts.buckets.assertExist(version.bindings);
    await this.#parts.secretStores.assertExist(version.bindings);
    await this.#parts.queues.assertExist(version.bindings);
    await this.#assertServicesExist(head.name, version);
    await this.#parts.versionImages.requireOwn(version);
    try {
      return await this.#parts.workers.check(this.target(head, version));
    } catch (error) {
      if (!(error instanceof LongshoreError) || error.code !== "INVALID_INPUT") throw error;
      throw invalidScript(error.message, { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
    }
  }

  async #assertServicesExist(script: string, version: StoredVersion): Promise<void> {
    for (const binding of version.bindings) {
      if (binding.type !== "service" || binding.service === script) continue;
      if ((await this.#parts.store.findHead(binding.service)) !== undefined) continue;
      throw invalidScript(`Binding "${binding.name}" is to the Worker "${binding.service}", which is not there.`, {
        hint: "Deploy that one first.",
      });
    }
  }

  /**
   * Makes `head` what counts, with `version` running. The caller has checked the version and holds the script's lock.
   * `images` changes with it. Errors: `CONFLICT` when another server changed the head in between. On any failure the script is as it was.
   */
  async swap(
    before: Stored<ScriptHead> | undefined,
    head: ScriptHead,
    version: StoredVersion,
    images: readonly ImageChange[] = [],
  ): Promise<void> {
    const { tenants, workers, versionImages, log } = this.#parts;
    if (before !== undefined && activeVersionId(before.value) !== version.id)
      await versionImages.remember(head.name, activeVersionId(before.value));
    const stored = await this.write(before, head);
    let undoImages = async (): Promise<void> => undefined;
    try {
      undoImages = await versionImages.apply(images);
      if (version.containers.length > 0) await tenants.sync(head.name);
      await workers.apply(this.target(head, version));
    } catch (error) {
      await this.#undo(before, stored, undoImages);
      throw error;
    }
    versionImages.begin(images);
    log.info("a Worker version is deployed", { script: head.name, version: version.id, number: version.number });
  }

  /** From now on the script runs so that it can be watched. False when somebody has asked for that before. */
  watch(script: string): boolean {
    if (this.#watched.has(script)) return false;
    this.#watched.add(script);
    return true;
  }

  /** Runs what counts, if it does not run just so. The caller holds the script's lock. */
  run(head: ScriptHead, version: StoredVersion): Promise<void> {
    return this.#parts.workers.apply(this.target(head, version));
  }

  /** Writes the next head and runs nothing. Errors: `CONFLICT` when another server changed it in between. */
  async write(before: Stored<ScriptHead> | undefined, head: ScriptHead): Promise<Stored<ScriptHead>> {
    const { heads } = this.#parts.store;
    try {
      return before === undefined ? await heads.create(head.name, head) : await heads.replace(head.name, before, head);
    } catch (error) {
      if (!(error instanceof LongshoreError && error.code === "CONFLICT")) throw error;
      throw new LongshoreError(
        "CONFLICT",
        `Worker "${head.name}" was changed by somebody else in between; nothing of this change has been kept.`,
        {
          cause: error,
          hint: "Try again.",
        },
      );
    }
  }

  /** Puts the head back; the failure that led here is the one to report, so a failure of this is only logged. */
  async #undo(before: Stored<ScriptHead> | undefined, stored: Stored<ScriptHead>, undoImages: () => Promise<void>): Promise<void> {
    const { store, workers, engine, tenants, log } = this.#parts;
    const { name } = stored.value;
    try {
      if (before !== undefined) {
        await store.heads.replace(name, stored, before.value);
        await undoImages();
        await tenants.sync(name);
        return;
      }
      await workers.remove(name, { deleteData: true });
      await engine.deleteTenant(name);
      await store.heads.delete(name);
    } catch (error) {
      log.error("a deploy failed, and so did putting the Worker back", { script: name, error });
    }
  }
}

/** With `observability` on, a Worker can be watched without being replaced first. */
function observed({ settings }: ScriptHead): boolean {
  const { observability } = settings;
  return typeof observability === "object" && observability !== null && "enabled" in observability && observability.enabled === true;
}
