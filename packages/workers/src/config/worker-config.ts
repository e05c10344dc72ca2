import {
  CF_HEADER,
  LongshoreError,
  type ModuleKind,
  PROTOCOL_HEADER,
  type WorkerBinding,
  type WorkerContainer,
  type WorkerModule,
  type WorkerTarget,
} from "@longshore/contract";
import { rateLimitBinding, rateLimitServices } from "../limits/rate-limit-config.js";
import { deliveryService } from "../queues/delivery-config.js";
import { queueBinding, queueServices } from "../queues/queues-config.js";
import { secretBinding, secretServices } from "../secrets/secrets-config.js";
import { calledServices, offeredSocket, type ServiceEntry, serviceBinding } from "../services/service-calls.js";
import { type StoreSockets, storeBinding, storeServices } from "../storage/bindings-config.js";
import { TRACE_SERVICE, traceServices } from "../traces/trace-config.js";
import { ASSETS_SERVICE, assetsBinding, assetsService } from "./assets-config.js";
import { bool, configFile, type Expression, embed, list, struct, text } from "./capnp.js";
import { cronServices } from "./cron-config.js";

/** The socket's name in the configuration; the listening descriptor is given on the command line. */
export const SOCKET_NAME = "http";
const NETWORK_SERVICE = "longshore:network";
const STORAGE_SERVICE = "longshore:objects";

/** What a configuration depends on besides the target. */
export interface ConfigPlaces extends StoreSockets {
  /** Absolute directory of the script's Durable Objects. */
  readonly storageDirectory: string;
  /** Peers that `fetch()` and `connect()` may reach, in workerd's words: `public`, `private`, `local`, CIDR blocks. */
  readonly allowedNetworks: readonly string[];
  /** Unix socket of the process that holds queues. */
  readonly queuesSocket?: string;
  /** Set where the Worker is only tried out: its cron triggers must not run it. */
  readonly trial?: boolean;
  /** Where the sockets of other scripts' entrypoints are. */
  readonly runDirectory: string;
  /** What the Worker offers to others, each on a socket of its own. */
  readonly offers?: readonly ServiceEntry[];
  /** Absolute directory of the version's static files, when it has some. */
  readonly assetsDirectory?: string;
}

/** A module and the file, beside the configuration, that must hold its bytes. Names of users never become names of files. */
export interface ModuleFile {
  readonly file: string;
  readonly module: WorkerModule;
}

export interface WorkerConfig {
  readonly text: string;
  readonly files: readonly ModuleFile[];
}

/** The workerd configuration of a target that passed `validateTarget`. Pure: equal input gives equal text. */
export function workerConfig(target: WorkerTarget, places: ConfigPlaces): WorkerConfig {
  const files = moduleFiles(target);
  const assets = assetsService(target, places.assetsDirectory);
  const services = [...assets, ...(files.length === 0 ? [] : [struct({ name: text(target.script), worker: worker(target, files) })])];
  services.push(network(places.allowedNetworks), ...storeServices(target, places));
  const cron = cronServices(target, STORAGE_SERVICE, places.trial ?? false);
  services.push(...cron, ...calledServices(target, places.runDirectory), ...traceServices(target, places.runDirectory));
  services.push(
    ...secretServices(target, places.runDirectory),
    ...queueServices(target, places.queuesSocket),
    ...rateLimitServices(target),
  );
  if (places.offers?.some(({ queues }) => queues)) services.push(deliveryService(target));
  if (target.namespaces.length > 0 || cron.length > 0) {
    services.push(struct({ name: text(STORAGE_SERVICE), disk: struct({ path: text(places.storageDirectory), writable: bool(true) }) }));
  }
  const http = struct({ forwardedProtoHeader: text(PROTOCOL_HEADER), cfBlobHeader: text(CF_HEADER) });
  const service = text(assets.length === 0 ? target.script : ASSETS_SERVICE);
  const offered = (places.offers ?? []).map((entry) => offeredSocket(entry, target));
  const sockets = [struct({ name: text(SOCKET_NAME), service, http }), ...offered];
  return { text: configFile(struct({ services: list(services), sockets: list(sockets) })), files };
}

function worker(target: WorkerTarget, files: readonly ModuleFile[]): Expression {
  const { version, namespaces, engineSocket } = target;
  return struct({
    modules: list(files.map(({ file, module }) => moduleExpression(module.name, module.kind, file))),
    compatibilityDate: text(version.compatibilityDate),
    compatibilityFlags: version.compatibilityFlags.length === 0 ? undefined : list(version.compatibilityFlags.map(text)),
    bindings: version.bindings.length === 0 ? undefined : list(version.bindings.map((binding) => bindingExpression(binding, target))),
    globalOutbound: text(NETWORK_SERVICE),
    tails: target.traced === true ? list([text(TRACE_SERVICE)]) : undefined,
    durableObjectNamespaces: namespaces.length === 0 ? undefined : list(durableObjects(target)),
    durableObjectStorage: namespaces.length === 0 ? undefined : struct({ localDisk: text(STORAGE_SERVICE) }),
    containerEngine: version.containers.length === 0 || engineSocket === undefined ? undefined : containerEngine(engineSocket),
  });
}

/** workerd takes the first module as the main one. */
export function moduleFiles({ version }: WorkerTarget): ModuleFile[] {
  const main = version.modules.filter((module) => module.name === version.mainModule);
  const others = version.modules.filter((module) => module.name !== version.mainModule);
  return [...main, ...others].map((module, index) => ({ file: `module-${index}`, module }));
}

export function moduleExpression(name: string, kind: ModuleKind, file: string): Expression {
  return struct({ name: text(name), [kind]: embed(file) });
}

/** Every class of the script is declared, bound or not: its objects keep their alarms and their data. */
function durableObjects({ version, namespaces }: WorkerTarget): Expression[] {
  return namespaces.map((namespace) => {
    const container = version.containers.find(({ className }) => className === namespace.className);
    return struct({
      className: text(namespace.className),
      uniqueKey: text(namespace.id),
      enableSql: namespace.sqlite ? bool(true) : undefined,
      container: container === undefined ? undefined : containerOptions(container, namespace.id),
    });
  });
}

/** The engine knows the image of a class that has one: a new image needs no new configuration. Images of the version are the code's to choose from. */
function containerOptions({ images }: WorkerContainer, namespaceId: string): Expression {
  if (images === undefined) return struct({ imageName: text(namespaceId) });
  return struct({ images: list(Object.entries(images).map(([name, image]) => struct({ name: text(name), image: text(image) }))) });
}

function containerEngine(socketPath: string): Expression {
  return struct({
    localDocker: struct({ socketPath: text(`unix:${socketPath}`), containerEgressInterceptorImage: text("longshore/egress") }),
  });
}

function bindingExpression(binding: WorkerBinding, target: WorkerTarget): Expression {
  const { version, namespaces, script } = target;
  const name = text(binding.name);
  switch (binding.type) {
    case "plain_text":
    case "secret_text":
      return struct({ name, text: text(binding.text) });
    case "json":
      return struct({ name, json: text(JSON.stringify(binding.json)) });
    case "version_metadata": {
      const metadata = { id: version.id, tag: version.annotations["workers/tag"] ?? "", timestamp: version.createdOn };
      return struct({ name, json: text(JSON.stringify(metadata)) });
    }
    case "kv_namespace":
    case "d1":
    case "r2_bucket":
      return storeBinding(binding);
    case "service":
      return serviceBinding(binding, target);
    case "assets":
      return assetsBinding(binding.name);
    case "ratelimit":
      return rateLimitBinding(binding);
    case "queue":
      return queueBinding(binding);
    case "secrets_store_secret":
      return secretBinding(binding);
    case "durable_object_namespace": {
      const className = namespaces.find(({ id }) => id === binding.namespaceId)?.className ?? binding.className;
      return struct({ name, durableObjectNamespace: text(className) });
    }
    default:
      return unknownBinding(binding, script);
  }
}

/** The type says that this cannot be; a version stored by a newer Longshore can still carry it. */
function unknownBinding(binding: never, script: string): never {
  const { type, name } = binding as { type: string; name: string };
  throw new LongshoreError(
    "UNSUPPORTED",
    `The binding ${JSON.stringify(name)} of the Worker "${script}" has the type "${type}", which is not served here.`,
    {
      hint: "Remove the binding, or update Longshore.",
    },
  );
}

function network(allowed: readonly string[]): Expression {
  const tlsOptions = struct({ trustBrowserCas: bool(true) });
  return struct({ name: text(NETWORK_SERVICE), network: struct({ allow: list(allowed.map(text)), tlsOptions }) });
}
