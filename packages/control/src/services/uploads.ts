import { randomUUID } from "node:crypto";
import { type KeyedMutex, LongshoreError } from "@longshore/contract";
import { newHexId, newVersionId } from "../model/ids.js";
import { parseScriptForm } from "../model/script-form.js";
import { type ScriptHead, type StoredVersion, withDeployment } from "../model/script-head.js";
import { planVersion, type VersionPlan } from "../model/version.js";
import type { Clock } from "../options.js";
import type { Stored } from "../state/json-objects.js";
import type { Sealer } from "../state/sealing.js";
import type { Store } from "../state/store.js";
import type { Applications } from "./applications.js";
import type { AssetUploads } from "./asset-uploads.js";
import type { Releases } from "./releases.js";
import { finishRemoval, type RemovalParts } from "./removal.js";

export interface UploadsParts extends RemovalParts {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly releases: Releases;
  readonly applications: Applications;
  readonly assets: AssetUploads;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
}

export interface Uploaded {
  readonly head: ScriptHead;
  readonly version: StoredVersion;
  readonly startupMs: number;
}

type Form = Awaited<ReturnType<typeof parseScriptForm>>;

/** Takes new code in: stored, tried out, and (for a whole upload) deployed. */
export class Uploads {
  readonly #parts: UploadsParts;

  constructor(parts: UploadsParts) {
    this.#parts = parts;
  }

  /** Uploads and deploys at once. Errors: `INVALID_INPUT`, `UNSUPPORTED`, `CONFLICT`; then nothing has changed. */
  async deploy(script: string, body: FormData): Promise<Uploaded> {
    const form = await parseScriptForm(body);
    return this.#parts.locks.run(script, async () => {
      await this.#finishOldRemoval(script);
      const before = await this.#parts.store.findHead(script);
      const plan = await this.#plan(script, form, before?.value, "deployment");
      const head = this.#deployedHead(script, form, plan, before?.value);
      const startupMs = await this.#keep(script, form, plan, head, () => this.#parts.releases.swap(before, head, plan.version));
      await this.#parts.applications.discardOrphans(head);
      return { head, version: plan.version, startupMs };
    });
  }

  /** Stores a version without deploying it. Errors: `NOT_FOUND`, `INVALID_INPUT`, `UNSUPPORTED`. */
  async addVersion(script: string, body: FormData): Promise<Uploaded> {
    const form = await parseScriptForm(body);
    if (form.metadata.migrations !== undefined) {
      throw new LongshoreError("INVALID_INPUT", "A version that is only uploaded cannot carry Durable Object migrations.", {
        hint: "Use `wrangler deploy`, which applies them.",
      });
    }
    return this.#parts.locks.run(script, async () => {
      const before = await this.#parts.store.head(script);
      const plan = await this.#plan(script, form, before.value, "version_upload");
      const head: ScriptHead = { ...before.value, lastNumber: plan.version.number };
      const startupMs = await this.#keep(script, form, plan, head, async () => {
        await this.#parts.releases.write(before, head);
      });
      return { head, version: plan.version, startupMs };
    });
  }

  /** Stores what was uploaded, tries it out and makes it count; takes it away again when one of these fails. */
  async #keep(script: string, form: Form, plan: VersionPlan, head: ScriptHead, commit: () => Promise<void>): Promise<number> {
    const { store, releases } = this.#parts;
    const { version } = plan;
    const written = await store.putModules(script, form.modules);
    try {
      const { startupMs } = await releases.check(head, version);
      await store.versions(script).create(version.id, version);
      await commit();
      return startupMs;
    } catch (error) {
      await store.versions(script).delete(version.id);
      await store.deleteModules(written);
      throw error;
    }
  }

  async #plan(script: string, form: Form, head: ScriptHead | undefined, triggeredBy: string): Promise<VersionPlan> {
    const { store, sealer } = this.#parts;
    const running = head === undefined ? undefined : await store.activeVersion(head);
    const named = form.metadata.assets;
    const assets = named === undefined ? undefined : this.#parts.assets.resolve(script, named, running?.assets);
    return planVersion({
      script,
      metadata: form.metadata,
      modules: form.modules,
      classes: head ?? { namespaces: [] },
      previousBindings: running?.bindings ?? [],
      ...(assets === undefined ? {} : { assets }),
      number: (head?.lastNumber ?? 0) + 1,
      id: newVersionId(),
      createdOn: this.#now(),
      triggeredBy,
      moduleKey: (digest) => store.moduleKey(script, digest),
      newNamespaceId: newHexId,
      queues: await this.#parts.queues.ids(),
      seal: (name, text) => sealer.seal(script, name, text),
    });
  }

  #deployedHead(script: string, form: Form, plan: VersionPlan, before: ScriptHead | undefined): ScriptHead {
    const { version, classes } = plan;
    const deployment = { id: randomUUID(), versionId: version.id, createdOn: version.createdOn, annotations: version.annotations };
    const base: ScriptHead = before ?? {
      name: script,
      tag: newHexId(),
      createdOn: version.createdOn,
      modifiedOn: version.createdOn,
      namespaces: [],
      deployments: [deployment],
      lastNumber: 0,
      settings: {},
      subdomain: { enabled: false, previewsEnabled: false },
    };
    const changes = {
      namespaces: classes.namespaces,
      ...(classes.migrationTag === undefined ? {} : { migrationTag: classes.migrationTag }),
      lastNumber: version.number,
      settings: { ...base.settings, ...form.metadata.settings },
    };
    return before === undefined ? { ...base, ...changes } : withDeployment({ ...base, ...changes }, deployment);
  }

  /** A removal that was cut short by a crash must be over before the name is used again. */
  async #finishOldRemoval(script: string): Promise<void> {
    const stored: Stored<ScriptHead> | undefined = await this.#parts.store.heads.get(script);
    if (stored?.value.deleting) await finishRemoval(this.#parts, script);
  }

  #now(): string {
    return new Date(this.#parts.clock()).toISOString();
  }
}
