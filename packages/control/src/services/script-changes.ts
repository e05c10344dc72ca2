import { randomUUID } from "node:crypto";
import { type KeyedMutex, LongshoreError } from "@longshore/contract";
import { notServed } from "../api/errors.js";
import { resolveBindings } from "../model/bindings.js";
import { newVersionId } from "../model/ids.js";
import {
  activeVersionId,
  type Deployment,
  type ScriptHead,
  type ScriptSettings,
  type StoredBinding,
  type StoredVersion,
  withDeployment,
} from "../model/script-head.js";
import type { UploadedBinding } from "../model/upload-metadata.js";
import { deriveVersion } from "../model/version.js";
import type { Clock } from "../options.js";
import type { Sealer } from "../state/sealing.js";
import type { Store } from "../state/store.js";
import type { Queues } from "./queues.js";
import type { Releases } from "./releases.js";
import type { VersionImages } from "./version-images.js";

export interface ScriptChangesParts {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly releases: Releases;
  readonly versionImages: VersionImages;
  readonly queues: Queues;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
}

export interface DeploymentRequest {
  readonly versions: readonly { readonly version_id: string; readonly percentage: number }[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Changes to a script that bring no new code. */
export class ScriptChanges {
  readonly #parts: ScriptChangesParts;

  constructor(parts: ScriptChangesParts) {
    this.#parts = parts;
  }

  /** Runs an uploaded version, with the images that containers ran with it. Errors: `NOT_FOUND`, `CONFLICT` when a class or an image of it is gone, `INVALID_INPUT` when it does not start (any more), `UNSUPPORTED` for a split. */
  deployVersion(script: string, request: DeploymentRequest): Promise<Deployment> {
    const [only, ...others] = request.versions.filter((each) => each.percentage > 0);
    if (only === undefined || others.length > 0 || only.percentage !== 100) {
      throw notServed("A deployment that splits traffic between versions", "Deploy one version at 100 %.");
    }
    return this.#parts.locks.run(script, async () => {
      const { store, releases } = this.#parts;
      const before = await store.head(script);
      const version = await store.version(script, only.version_id);
      assertClassesExist(version, before.value);
      const deployment = this.#deployment(version.id, { "workers/triggered_by": "deployment", ...request.annotations });
      const head = withDeployment(before.value, deployment);
      if (activeVersionId(before.value) === version.id) {
        await releases.write(before, head);
        return deployment;
      }
      const images = await this.#parts.versionImages.changesFor(script, version.id);
      await releases.check(head, version);
      await releases.swap(before, head, version, images);
      return deployment;
    });
  }

  /** Makes and deploys a version with other secrets: a text to set, `null` to delete. Errors: `NOT_FOUND`. */
  changeSecrets(script: string, secrets: ReadonlyMap<string, string | null>): Promise<StoredVersion> {
    return this.#derive(script, "secret", (bindings) => {
      for (const [name, text] of secrets) {
        const current = bindings.find((each) => each.name === name);
        if (current !== undefined && current.type !== "secret_text" && text !== null) {
          throw new LongshoreError(
            "CONFLICT",
            `Worker "${script}" has a binding "${name}" (${current.type}); a secret cannot have the same name.`,
            {
              hint: "Give the secret another name, or take the binding out and deploy first.",
            },
          );
        }
      }
      const set = [...secrets].flatMap(([name, text]): StoredBinding[] =>
        text === null ? [] : [{ type: "secret_text", name, sealed: this.#parts.sealer.seal(script, name, text) }],
      );
      return [...bindings.filter((each) => each.type !== "secret_text" || !secrets.has(each.name)), ...set];
    });
  }

  /** Makes and deploys a version with exactly these bindings. Errors: `NOT_FOUND`, `INVALID_INPUT`, `UNSUPPORTED`. */
  async changeBindings(script: string, uploaded: readonly UploadedBinding[]): Promise<StoredVersion> {
    const queues = await this.#parts.queues.ids();
    return this.#derive(script, "settings", (previous, head) =>
      resolveBindings({
        script,
        uploaded,
        previous,
        keepTypes: [],
        namespaces: head.namespaces,
        queues,
        seal: (name, text) => this.#parts.sealer.seal(script, name, text),
      }),
    );
  }

  /** Changes what is outside the versions. Errors: `NOT_FOUND`. */
  async changeHead(script: string, change: (head: ScriptHead) => ScriptHead): Promise<ScriptHead> {
    return this.#parts.locks.run(script, async () => {
      const before = await this.#parts.store.head(script);
      const head = { ...change(before.value), modifiedOn: this.#now() };
      await this.#parts.releases.write(before, head);
      return head;
    });
  }

  /** Runs the Worker at these times from now on. Errors: `NOT_FOUND`, `INVALID_INPUT` naming the expression. */
  changeCrons(script: string, crons: readonly string[]): Promise<ScriptHead> {
    return this.#parts.locks.run(script, async () => {
      const { store, releases } = this.#parts;
      const before = await store.head(script);
      if (JSON.stringify(before.value.crons ?? []) === JSON.stringify(crons)) return before.value;
      const head = { ...before.value, crons, modifiedOn: this.#now() };
      const version = await store.activeVersion(head);
      await releases.check(head, version);
      await releases.swap(before, head, version);
      return head;
    });
  }

  changeSettings(script: string, settings: ScriptSettings): Promise<ScriptHead> {
    return this.changeHead(script, (head) => ({ ...head, settings: { ...head.settings, ...settings } }));
  }

  #derive(
    script: string,
    triggeredBy: string,
    change: (bindings: readonly StoredBinding[], head: ScriptHead) => readonly StoredBinding[],
  ): Promise<StoredVersion> {
    return this.#parts.locks.run(script, async () => {
      const { store, releases } = this.#parts;
      const before = await store.head(script);
      const running = await store.activeVersion(before.value);
      const version = deriveVersion(running, {
        id: newVersionId(),
        number: before.value.lastNumber + 1,
        createdOn: this.#now(),
        bindings: change(running.bindings, before.value),
        triggeredBy,
      });
      const deployed = withDeployment(before.value, this.#deployment(version.id, version.annotations));
      const head = { ...deployed, lastNumber: version.number };
      await releases.check(head, version);
      await store.versions(script).create(version.id, version);
      try {
        await releases.swap(before, head, version);
      } catch (error) {
        await store.versions(script).delete(version.id);
        throw error;
      }
      return version;
    });
  }

  #deployment(versionId: string, annotations: Readonly<Record<string, string>>): Deployment {
    return { id: randomUUID(), versionId, createdOn: this.#now(), annotations };
  }

  #now(): string {
    return new Date(this.#parts.clock()).toISOString();
  }
}

function assertClassesExist(version: StoredVersion, head: ScriptHead): void {
  for (const binding of version.bindings) {
    if (binding.type !== "durable_object_namespace" || head.namespaces.some((each) => each.id === binding.namespaceId)) continue;
    throw new LongshoreError(
      "CONFLICT",
      `Version ${version.id} needs the Durable Object class "${binding.className}", which a later migration of Worker "${head.name}" deleted.`,
      { hint: "Deploy a version from after that migration." },
    );
  }
}
