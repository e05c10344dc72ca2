import { type AssetsConfig, LongshoreError, type WorkerContainer } from "@longshore/contract";
import { z } from "zod";
import { checked, parseJson } from "../api/body.js";
import { invalidScript, notServed } from "../api/errors.js";

const migrationStep = z.object({
  new_classes: z.array(z.string()).nullish(),
  new_sqlite_classes: z.array(z.string()).nullish(),
  renamed_classes: z.array(z.object({ from: z.string(), to: z.string() })).nullish(),
  deleted_classes: z.array(z.string()).nullish(),
  transferred_classes: z.array(z.unknown()).nullish(),
});

const migrations = z.object({ old_tag: z.string().nullish(), new_tag: z.string().nullish(), steps: z.array(migrationStep).nullish() });

/** A binding as uploaded: what each type needs is checked where it is resolved. */
export const uploadedBinding = z.looseObject({ name: z.string().min(1).max(255), type: z.string() });

const container = z.object({
  class_name: z.string(),
  name: z.string().nullish(),
  images: z.record(z.string().min(1).max(128), z.string()).nullish(),
});

const assets = z.object({
  jwt: z.string().nullish(),
  config: z
    .object({
      html_handling: z.enum(["auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"]).nullish(),
      not_found_handling: z.enum(["none", "404-page", "single-page-application"]).nullish(),
      run_worker_first: z.union([z.boolean(), z.array(z.string())]).nullish(),
      _headers: z.string().nullish(),
      _redirects: z.string().nullish(),
    })
    .nullish(),
});

const schema = z.looseObject({
  main_module: z.string().nullish(),
  bindings: z.array(uploadedBinding).nullish(),
  compatibility_date: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, "must be a date, YYYY-MM-DD")
    .nullish(),
  compatibility_flags: z.array(z.string()).nullish(),
  containers: z.array(container).nullish(),
  migrations: migrations.nullish(),
  keep_bindings: z.array(z.string()).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
  assets: assets.nullish(),
  keep_assets: z.boolean().nullish(),
});

export type UploadedBinding = z.infer<typeof uploadedBinding>;
export type MigrationStep = z.infer<typeof migrationStep>;
export type Migrations = z.infer<typeof migrations>;

/** Static files as a deploy names them: the token of a finished upload, or none to keep what the running version has. */
export interface UploadedAssets {
  readonly jwt?: string;
  readonly config?: AssetsConfig;
}

/** What the `metadata` part of an upload says, checked, with defaults in place. */
export interface UploadMetadata {
  /** Empty when there are static files and no code. */
  readonly mainModule: string;
  readonly bindings: readonly UploadedBinding[];
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly containers: readonly WorkerContainer[];
  readonly migrations?: Migrations;
  readonly keepBindings: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Settings outside the version: observability, tags, placement and the like. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly assets?: UploadedAssets;
}

/** A Worker without a compatibility date behaves as on the day that dates began. */
const OLDEST_COMPATIBILITY_DATE = "2021-11-02";

/** Kept with the script as they are; on one machine they change nothing about how a Worker runs. */
const SETTINGS = ["observability", "tags", "placement", "limits", "usage_model"] as const;

/** Non-empty, these change what the Worker does, and nothing here would do it. */
const NOT_SERVED: Readonly<Record<string, string>> = {
  body_part: "The service-worker format",
  exports: "Durable Object `exports`",
  tail_consumers: "Tail consumers",
  streaming_tail_consumers: "Streaming tail consumers",
  logpush: "Logpush",
  capnp_schema: "A Cap'n Proto schema",
};

/** Reads the `metadata` part. Errors: `INVALID_INPUT`, `UNSUPPORTED` for what is valid but not served. */
export function parseUploadMetadata(text: string): UploadMetadata {
  const raw = checked(parseJson(text, "The upload's metadata part"), schema, "The upload's metadata part");
  for (const [key, what] of Object.entries(NOT_SERVED)) {
    if (!isEmpty(raw[key])) throw notServed(`${what} (\`${key}\`)`, "Take it out of the configuration file and deploy again.");
  }
  const uploadedAssets = readAssets(raw);
  const mainModule = raw.main_module ?? "";
  if (mainModule === "" && uploadedAssets === undefined) throw invalidScript("The upload's metadata names no main_module.");
  const containers = (raw.containers ?? []).map(({ class_name, name, images }) => ({
    className: class_name,
    ...(typeof name === "string" ? { name } : {}),
    ...(images && Object.keys(images).length > 0 ? { images } : {}),
  }));
  assertUnique(
    containers.map((each) => each.className),
    (name) => `Durable Object class "${name}" has two containers; it can have one.`,
  );
  return {
    mainModule,
    bindings: raw.bindings ?? [],
    compatibilityDate: raw.compatibility_date ?? OLDEST_COMPATIBILITY_DATE,
    compatibilityFlags: raw.compatibility_flags ?? [],
    containers,
    ...(raw.migrations ? { migrations: raw.migrations } : {}),
    keepBindings: raw.keep_bindings ?? [],
    annotations: raw.annotations ?? {},
    ...(uploadedAssets === undefined ? {} : { assets: uploadedAssets }),
    settings: Object.fromEntries(SETTINGS.filter((key) => raw[key] !== undefined && raw[key] !== null).map((key) => [key, raw[key]])),
  };
}

function readAssets(raw: z.infer<typeof schema>): UploadedAssets | undefined {
  if (!raw.assets) return raw.keep_assets === true ? {} : undefined;
  const { jwt, config } = raw.assets;
  return { ...(jwt ? { jwt } : {}), ...(config ? { config: assetsConfig(config) } : {}) };
}

function assetsConfig({ _headers, _redirects, ...rest }: NonNullable<z.infer<typeof assets>["config"]>): AssetsConfig {
  const said = Object.entries({ ...rest, headers: _headers, redirects: _redirects }).filter(
    ([, value]) => value !== undefined && value !== null,
  );
  return Object.fromEntries(said);
}

/** Errors: `INVALID_INPUT` with `message(name)` for the first name that is there twice. */
export function assertUnique(names: readonly string[], message: (name: string) => string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new LongshoreError("INVALID_INPUT", message(name));
    seen.add(name);
  }
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
