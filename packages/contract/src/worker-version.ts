/** One immutable upload of a Worker: its code, bindings and compatibility settings. Stored by `control`, run by `workers`. */
export interface WorkerVersion {
  /** UUID. */
  readonly id: string;
  /** 1, 2, 3 … per script. */
  readonly number: number;
  readonly createdOn: string;
  readonly mainModule: string;
  readonly modules: readonly WorkerModule[];
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly bindings: readonly WorkerBinding[];
  /** Durable Object classes that have a container. */
  readonly containers: readonly WorkerContainer[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Files that are served beside the code. A version with files and no modules is served by them alone; its `mainModule` is empty. */
  readonly assets?: WorkerAssets;
}

/** A class of a version that has a container. */
export interface WorkerContainer {
  readonly className: string;
  readonly name?: string;
  /** Images that the code may start, by the names it has for them: `<registry>/<account>/<name>@sha256:…`. Without them the class's application has one. */
  readonly images?: Readonly<Record<string, string>>;
}

/** The static files of a version and how they are served. */
export interface WorkerAssets {
  /** Hex digest over the list of files: equal ids, equal files. */
  readonly id: string;
  /** Bucket key of the list: JSON of `AssetFile[]`. */
  readonly listKey: string;
  readonly config: AssetsConfig;
}

export interface AssetFile {
  /** Begins with `/`; segments are plain names, never `.` or `..`, and no file's path begins another's. */
  readonly path: string;
  /** Bucket key of the bytes, whose last segment is a digest of them. */
  readonly key: string;
  readonly size: number;
}

/** How files are matched to requests, in Cloudflare's words; `headers` and `redirects` are the texts of `_headers` and `_redirects`. */
export interface AssetsConfig {
  readonly html_handling?: string;
  readonly not_found_handling?: string;
  readonly run_worker_first?: boolean | readonly string[];
  readonly headers?: string;
  readonly redirects?: string;
}

/** How workerd is to load a module; the keys are workerd's own field names. */
export type ModuleKind = "esModule" | "commonJsModule" | "text" | "data" | "wasm" | "json";

export interface WorkerModule {
  readonly name: string;
  readonly kind: ModuleKind;
  /** Bucket key of the module's bytes. */
  readonly key: string;
  readonly size: number;
}

/** The bindings that a running Worker can be given today. What is not here is refused at deploy with `UNSUPPORTED`. */
export type WorkerBinding =
  | { readonly type: "plain_text"; readonly name: string; readonly text: string }
  | { readonly type: "secret_text"; readonly name: string; readonly text: string }
  | { readonly type: "json"; readonly name: string; readonly json: unknown }
  | { readonly type: "version_metadata"; readonly name: string }
  | { readonly type: "kv_namespace"; readonly name: string; readonly namespaceId: string }
  | { readonly type: "d1"; readonly name: string; readonly databaseId: string }
  | { readonly type: "r2_bucket"; readonly name: string; readonly bucketName: string }
  | { readonly type: "assets"; readonly name: string }
  /** At most `limit` calls with one key in `period` seconds; the keys of a `namespaceId` are counted together. */
  | { readonly type: "ratelimit"; readonly name: string; readonly namespaceId: string; readonly limit: number; readonly period: 10 | 60 }
  /** `deliveryDelay` in seconds: of messages that say none. */
  | { readonly type: "queue"; readonly name: string; readonly queueId: string; readonly queueName: string; readonly deliveryDelay?: number }
  | { readonly type: "secrets_store_secret"; readonly name: string; readonly storeId: string; readonly secretName: string }
  | { readonly type: "service"; readonly name: string; readonly service: string; readonly entrypoint?: string; readonly props?: unknown }
  | { readonly type: "durable_object_namespace"; readonly name: string; readonly className: string; readonly namespaceId: string };

/** A Durable Object class of a script. `id` (32 hex) is workerd's `uniqueKey`, so it must never change while data exists. */
export interface DurableObjectNamespace {
  readonly id: string;
  readonly className: string;
  readonly sqlite: boolean;
}
