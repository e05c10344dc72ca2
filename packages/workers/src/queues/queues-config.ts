import { fileURLToPath } from "node:url";
import type { QueueSettings, WorkerBinding, WorkerTarget } from "@longshore/contract";
import { bool, configFile, type Expression, embed, list, struct, text } from "../config/capnp.js";
import { SOCKET_NAME } from "../config/worker-config.js";
import { entrySocket, httpOptions } from "../services/service-calls.js";
import { COMMAND_HEADER, STORE_HEADER } from "../storage/storage-config.js";
import type { StorageProgram } from "../storage/storage-process.js";

type QueueBinding = Extract<WorkerBinding, { type: "queue" }>;

/** The process's directory beside the scripts': no script's name begins with a dot. */
export const QUEUES_NAME = ".queues";
const WORKER_FILE = "queue-worker.js";
const DELAY_HEADER = "X-Longshore-Delay";
const SERVICE = "queues";
const DISK = "objects";
/** The directory of the messages below the process's data: never change it. */
export const SHARDS_KEY = "queues";

/** The process that holds all queues; `queues` are those that have something to be said of, as it is now. */
export function queuesProgram(runDirectory: string, queues: () => readonly QueueSettings[]): StorageProgram {
  return {
    name: QUEUES_NAME,
    what: "Queues",
    worker: fileURLToPath(new URL(WORKER_FILE, import.meta.url)),
    workerFile: WORKER_FILE,
    keys: [SHARDS_KEY],
    config: (storage) => queuesConfig(storage, runDirectory, queues()),
  };
}

/** Needs `--experimental`, for the bundled module. */
function queuesConfig(storageDirectory: string, runDirectory: string, queues: readonly QueueSettings[]): string {
  const scripts = [...new Set(queues.flatMap(({ consumer }) => consumer?.script ?? []))].sort();
  const bindingOf = (script: string) => `CONSUMER_${scripts.indexOf(script)}`;
  const consumers = queues.flatMap(({ id, consumer }) => {
    if (consumer === undefined) return [];
    const { script, ...settings } = consumer;
    return [[id, { consumer: bindingOf(script), ...settings }]];
  });
  const delays = queues.flatMap(({ id, deliveryDelay }) => (deliveryDelay === undefined ? [] : [[id, deliveryDelay]]));
  const json = (name: string, entries: readonly unknown[][]): Expression =>
    struct({ name: text(name), json: text(JSON.stringify(Object.fromEntries(entries as [string, unknown][]))) });
  const worker = struct({
    modules: list([
      struct({ name: text("main.js"), esModule: embed(WORKER_FILE) }),
      struct({ name: text("longshore:queues"), bundled: text("/workerd/queues.js") }),
    ]),
    compatibilityDate: text("2026-11-01"),
    // The module looks for `queue()` where consumers are bound.
    compatibilityFlags: list([text("service_binding_extra_handlers")]),
    bindings: list([
      struct({ name: text("SHARD"), durableObjectNamespace: text("QueueShard") }),
      json("CONSUMERS", consumers),
      json("DELAYS", delays),
      json(
        "NAMES",
        queues.map(({ id, name }) => [id, name]),
      ),
      ...scripts.map((script) => struct({ name: text(bindingOf(script)), service: text(script) })),
    ]),
    durableObjectNamespaces: list([struct({ className: text("QueueShard"), uniqueKey: text(SHARDS_KEY), enableSql: bool(true) })]),
    durableObjectStorage: struct({ localDisk: text(`longshore:${DISK}`) }),
  });
  const applications = scripts.map((script) => {
    const address = text(`unix:${entrySocket(runDirectory, { script, queues: true })}`);
    return struct({ name: text(script), external: struct({ address, http: httpOptions() }) });
  });
  const services = list([
    struct({ name: text(`longshore:${SERVICE}`), worker }),
    struct({ name: text(`longshore:${DISK}`), disk: struct({ path: text(storageDirectory), writable: bool(true) }) }),
    ...applications,
  ]);
  const sockets = list([struct({ name: text(SOCKET_NAME), service: text(`longshore:${SERVICE}`), http: struct({}) })]);
  return configFile(struct({ services, sockets }));
}

/** Whether the Worker needs the queues' process. */
export function sendsToQueues({ version }: WorkerTarget): boolean {
  return version.bindings.some(({ type }) => type === "queue");
}

/** A service for each queue that the Worker is bound to, with a delay or without: as for KV and D1, headers that it cannot set say which. */
export function queueServices({ version }: WorkerTarget, socketPath: string | undefined): Expression[] {
  if (socketPath === undefined) return [];
  const bindings = version.bindings.filter((binding): binding is QueueBinding => binding.type === "queue");
  const services = new Map(bindings.map((binding) => [serviceName(binding), binding]));
  return [...services].map(([name, { queueId, deliveryDelay }]) => {
    const delay = deliveryDelay === undefined ? {} : { value: text(String(deliveryDelay)) };
    const headers = [
      struct({ name: text(STORE_HEADER), value: text(`queue/${queueId}`) }),
      struct({ name: text(COMMAND_HEADER) }),
      struct({ name: text(DELAY_HEADER), ...delay }),
    ];
    const http = struct({ injectRequestHeaders: list(headers) });
    return struct({ name: text(name), external: struct({ address: text(`unix:${socketPath}`), http }) });
  });
}

export function queueBinding(binding: QueueBinding): Expression {
  return struct({ name: text(binding.name), queue: text(serviceName(binding)) });
}

function serviceName({ queueId, deliveryDelay }: QueueBinding): string {
  return `longshore:queue/${queueId}${deliveryDelay === undefined ? "" : `/${deliveryDelay}`}`;
}
