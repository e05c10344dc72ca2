import { fileURLToPath } from "node:url";
import { bool, configFile, embed, list, struct, text } from "../config/capnp.js";
import { SOCKET_NAME } from "../config/worker-config.js";
import type { StorageProgram } from "./storage-process.js";

/** The Worker's file beside the configuration. */
const STORAGE_WORKER_FILE = "storage-worker.js";
/** Request header that names a store: `kv/<namespace>` or `d1/<database>`. Applications' workerds set it for each binding; a Worker cannot. */
export const STORE_HEADER = "X-Longshore-Store";
/** Request header of what only the server asks: `destroy`. Applications' workerds remove it. */
export const COMMAND_HEADER = "X-Longshore-Command";

const SERVICE = "storage";
const DISK = "objects";
/** Fixed: workerd's modules are pinned with it, and the data's form depends on their classes. */
const COMPATIBILITY_DATE = "2026-11-01";
/** Unique keys are directories of the data: never change them. */
const CLASSES = [
  ["SHARD", "KVNamespace", "kv"],
  ["DATABASE", "D1Database", "d1"],
  ["BLOB_STORE", "BlobObject", "kv-blobs"],
] as const;

/** The process that holds all KV namespaces and D1 databases. */
export const STORAGE_PROGRAM: StorageProgram = {
  name: ".storage",
  what: "KV and D1",
  worker: fileURLToPath(new URL(STORAGE_WORKER_FILE, import.meta.url)),
  workerFile: STORAGE_WORKER_FILE,
  keys: CLASSES.map(([, , key]) => key),
  config: storageConfig,
};

/** Needs `--experimental`, for the bundled modules. */
function storageConfig(storageDirectory: string): string {
  const worker = struct({
    modules: list([
      struct({ name: text("main.js"), esModule: embed(STORAGE_WORKER_FILE) }),
      struct({ name: text("longshore:kv"), bundled: text("/workerd/kv.js") }),
      struct({ name: text("longshore:d1"), bundled: text("/workerd/d1.js") }),
    ]),
    compatibilityDate: text(COMPATIBILITY_DATE),
    bindings: list([
      ...CLASSES.map(([name, className]) => struct({ name: text(name), durableObjectNamespace: text(className) })),
      struct({ name: text("BLOBS"), service: struct({ name: text(SERVICE), entrypoint: text("Blobs") }) }),
    ]),
    durableObjectNamespaces: list(
      CLASSES.map(([, className, key]) => struct({ className: text(className), uniqueKey: text(key), enableSql: bool(true) })),
    ),
    durableObjectStorage: struct({ localDisk: text(DISK) }),
  });
  const services = list([
    struct({ name: text(SERVICE), worker }),
    struct({ name: text(DISK), disk: struct({ path: text(storageDirectory), writable: bool(true) }) }),
  ]);
  const sockets = list([struct({ name: text(SOCKET_NAME), service: text(SERVICE), http: struct({}) })]);
  return configFile(struct({ services, sockets }));
}
