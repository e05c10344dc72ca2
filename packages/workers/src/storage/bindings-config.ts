import type { WorkerBinding, WorkerTarget } from "@longshore/contract";
import { type Expression, list, struct, text } from "../config/capnp.js";
import { COMMAND_HEADER, STORE_HEADER } from "./storage-config.js";

type StoreBinding = Extract<WorkerBinding, { type: "kv_namespace" | "d1" | "r2_bucket" }>;

/** Unix sockets of those who hold what Workers are bound to. */
export interface StoreSockets {
  /** The process that holds KV namespaces and D1 databases. */
  readonly storageSocket?: string;
  /** Whoever holds R2's buckets, and speaks the protocol of workerd's R2 bindings. */
  readonly objectsSocket?: string;
}

/** Whether the Worker needs the storage process. */
export function needsStorage({ version }: WorkerTarget): boolean {
  return version.bindings.some((binding) => isStoreBinding(binding) && binding.type !== "r2_bucket");
}

/**
 * A service for each KV namespace, D1 database and R2 bucket that the Worker is bound to: the socket of its holder, with the store's name in a header
 * that workerd sets on every request. A Worker reaches no service that it is not bound to, and sets no header on what its bindings send.
 */
export function storeServices({ version }: WorkerTarget, { storageSocket, objectsSocket }: StoreSockets): Expression[] {
  const stores = new Map(
    version.bindings
      .filter(isStoreBinding)
      .map((binding) => [storeName(binding), binding.type === "r2_bucket" ? objectsSocket : storageSocket]),
  );
  return [...stores].flatMap(([store, socketPath]) => {
    if (socketPath === undefined) return [];
    const headers = [struct({ name: text(STORE_HEADER), value: text(store) }), struct({ name: text(COMMAND_HEADER) })];
    const http = struct({ injectRequestHeaders: list(headers) });
    return [struct({ name: text(serviceName(store)), external: struct({ address: text(`unix:${socketPath}`), http }) })];
  });
}

export function storeBinding(binding: StoreBinding): Expression {
  const name = text(binding.name);
  const service = text(serviceName(storeName(binding)));
  if (binding.type === "kv_namespace") return struct({ name, kvNamespace: service });
  if (binding.type === "r2_bucket") return struct({ name, r2Bucket: service });
  const innerBindings = list([struct({ name: text("fetcher"), service })]);
  return struct({ name, wrapped: struct({ moduleName: text("cloudflare-internal:d1-api"), innerBindings }) });
}

function isStoreBinding(binding: WorkerBinding): binding is StoreBinding {
  return binding.type === "kv_namespace" || binding.type === "d1" || binding.type === "r2_bucket";
}

function storeName(binding: StoreBinding): string {
  switch (binding.type) {
    case "kv_namespace":
      return `kv/${binding.namespaceId}`;
    case "d1":
      return `d1/${binding.databaseId}`;
    case "r2_bucket":
      return `r2/${binding.bucketName}`;
  }
}

function serviceName(store: string): string {
  return `longshore:${store}`;
}
