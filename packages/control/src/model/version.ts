import type { WorkerAssets, WorkerModule } from "@longshore/contract";
import { invalidScript } from "../api/errors.js";
import { resolveBindings } from "./bindings.js";
import { applyMigrations, type ClassesState } from "./migrations.js";
import { modulesEtag, type UploadedModule } from "./modules.js";
import type { StoredBinding, StoredVersion } from "./script-head.js";
import type { UploadMetadata } from "./upload-metadata.js";

export interface VersionPlan {
  readonly version: StoredVersion;
  /** The script's classes once the version is deployed. */
  readonly classes: ClassesState;
}

export interface VersionPlanInput {
  readonly script: string;
  readonly metadata: UploadMetadata;
  readonly modules: readonly UploadedModule[];
  /** Before the upload. */
  readonly classes: ClassesState;
  readonly previousBindings: readonly StoredBinding[];
  /** Static files, which must be there. */
  readonly assets?: WorkerAssets;
  readonly number: number;
  readonly id: string;
  readonly createdOn: string;
  readonly triggeredBy: string;
  readonly moduleKey: (digest: string) => string;
  readonly newNamespaceId: () => string;
  readonly queues: ReadonlyMap<string, string>;
  readonly seal: (name: string, text: string) => string;
}

/** Secrets stay whether the client asks for it or not: some versions of it do not ask, and mean it all the same. */
const ALWAYS_KEPT = ["secret_text"];

/** Decides what an upload makes: a version, and the script's classes with it. Errors: `INVALID_INPUT`, `UNSUPPORTED`. */
export function planVersion(input: VersionPlanInput): VersionPlan {
  const { metadata } = input;
  const classes = applyMigrations(input.classes, metadata.migrations, input.newNamespaceId);
  if (metadata.mainModule !== "" || input.assets === undefined) assertMainModule(input.modules, metadata.mainModule);
  assertContainerClasses(metadata.containers, classes);
  const bindings = resolveBindings({
    script: input.script,
    uploaded: metadata.bindings,
    previous: input.previousBindings,
    keepTypes: [...ALWAYS_KEPT, ...metadata.keepBindings],
    namespaces: classes.namespaces,
    queues: input.queues,
    seal: input.seal,
  });
  const unserved = input.assets === undefined ? bindings.find(({ type }) => type === "assets") : undefined;
  if (unserved !== undefined) throw invalidScript(`Binding "${unserved.name}" is to static files, and there are none.`);
  const modules: WorkerModule[] = input.modules.map((each) => ({
    name: each.name,
    kind: each.kind,
    key: input.moduleKey(each.digest),
    size: each.bytes.byteLength,
  }));
  return {
    classes,
    version: {
      id: input.id,
      number: input.number,
      createdOn: input.createdOn,
      mainModule: metadata.mainModule,
      modules,
      compatibilityDate: metadata.compatibilityDate,
      compatibilityFlags: metadata.compatibilityFlags,
      bindings,
      containers: metadata.containers,
      annotations: { "workers/triggered_by": input.triggeredBy, ...metadata.annotations },
      ...(input.assets === undefined ? {} : { assets: input.assets }),
      etag: modulesEtag(input.modules),
    },
  };
}

/** A version like `from`, with other bindings: what a change of secrets or settings makes. */
export function deriveVersion(
  from: StoredVersion,
  changes: Pick<StoredVersion, "id" | "number" | "createdOn" | "bindings"> & { readonly triggeredBy: string },
): StoredVersion {
  const { triggeredBy, ...rest } = changes;
  return { ...from, ...rest, annotations: { "workers/triggered_by": triggeredBy } };
}

function assertMainModule(modules: readonly UploadedModule[], name: string): void {
  const main = modules.find((each) => each.name === name);
  if (main === undefined) throw invalidScript(`The main module "${name}" is not among the uploaded modules.`);
  if (main.kind !== "esModule") throw invalidScript(`The main module "${name}" is not an ES module.`);
}

function assertContainerClasses(containers: UploadMetadata["containers"], classes: ClassesState): void {
  const known = classes.namespaces.map((each) => each.className);
  for (const { className } of containers) {
    if (known.includes(className)) continue;
    throw invalidScript(`The container's class "${className}" is not a Durable Object class of this Worker.`, {
      hint: `Add a migration with new_sqlite_classes: ["${className}"] to the configuration file.`,
    });
  }
}
