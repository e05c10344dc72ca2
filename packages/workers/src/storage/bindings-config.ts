import type { WorkerBinding, WorkerTarget } from "@longshore/contract";
import { type Expression, list, struct, text } from "../config/capnp.js";
import { COMMAND_HEADER, STORE_HEADER } from "./storage-config.js";

type StoreBinding = Extract<WorkerBinding, { type: "kv_namespace" | "d1" }>;

/** Whether the Worker needs the storage process. */
export function needsStorage({ version }: WorkerTarget): boolean {
  return version.bindings.some(isStoreBinding);
}

/**
 * A service for each KV namespace and D1 database that the Worker is bound to: the storage process's socket, with the store's name in a header that
 * workerd sets on every request. A Worker reaches no service that it is not bound to, and sets no header on what its bindings send.
 */
export function storeServices({ version }: WorkerTarget, socketPath: string | undefined): Expression[] {
  if (socketPath === undefined) return [];
  const stores = new Set(version.bindings.filter(isStoreBinding).map(storeName));
  return [...stores].map((store) => {
    const headers = [struct({ name: text(STORE_HEADER), value: text(store) }), struct({ name: text(COMMAND_HEADER) })];
    const http = struct({ injectRequestHeaders: list(headers) });
    return struct({ name: text(serviceName(store)), external: struct({ address: text(`unix:${socketPath}`), http }) });
  });
}

export function storeBinding(binding: StoreBinding): Expression {
  const name = text(binding.name);
  const service = text(serviceName(storeName(binding)));
  if (binding.type === "kv_namespace") return struct({ name, kvNamespace: service });
  const innerBindings = list([struct({ name: text("fetcher"), service })]);
  return struct({ name, wrapped: struct({ moduleName: text("cloudflare-internal:d1-api"), innerBindings }) });
}

function isStoreBinding(binding: WorkerBinding): binding is StoreBinding {
  return binding.type === "kv_namespace" || binding.type === "d1";
}

function storeName(binding: StoreBinding): string {
  return binding.type === "kv_namespace" ? `kv/${binding.namespaceId}` : `d1/${binding.databaseId}`;
}

function serviceName(store: string): string {
  return `longshore:${store}`;
}
