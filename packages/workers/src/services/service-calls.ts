import { createHash } from "node:crypto";
import { join } from "node:path";
import { CF_HEADER, PROTOCOL_HEADER, type WorkerBinding, type WorkerTarget } from "@longshore/contract";
import { ASSETS_SERVICE } from "../config/assets-config.js";
import { type Expression, struct, text } from "../config/capnp.js";
import { deliveryDesignator } from "../queues/delivery-config.js";

/** An entrypoint of a script as another Worker is bound to it: each has a socket of its own, since workerd fixes entrypoint and props by socket. */
export interface ServiceEntry {
  readonly script: string;
  readonly entrypoint?: string;
  /** JSON. */
  readonly props?: string;
  /** In place of both: where the batches of queues arrive that the script consumes. */
  readonly queues?: true;
}

type ServiceBinding = Extract<WorkerBinding, { type: "service" }>;

/** Sockets of all scripts' entrypoints, below the run directory: short, since a script's own directory leaves a path no room. */
export const SERVICES_DIRECTORY = ".services";
/** The host of the CONNECT request that makes a connection one of remote calls. */
const RPC_HOST = "longshore-rpc";

export function entryId({ script, entrypoint = "", props = "", queues }: ServiceEntry): string {
  return createHash("sha256")
    .update(JSON.stringify([script, entrypoint, props, ...(queues ? ["queues"] : [])]))
    .digest("hex")
    .slice(0, 16);
}

export function entrySocket(runDirectory: string, entry: ServiceEntry): string {
  return join(runDirectory, SERVICES_DIRECTORY, `${entryId(entry)}.sock`);
}

/** What other scripts must offer for this Worker's bindings. */
export function callsOf({ script, version }: WorkerTarget): ServiceEntry[] {
  const bindings = version.bindings.filter((each): each is ServiceBinding => each.type === "service" && each.service !== script);
  const entries = new Map(bindings.map(entryOf).map((entry) => [entryId(entry), entry]));
  return [...entries.values()];
}

/** The caller's side: a service for each entrypoint of another script. */
export function calledServices(target: WorkerTarget, runDirectory: string): Expression[] {
  return callsOf(target).map((entry) => {
    const external = struct({ address: text(`unix:${entrySocket(runDirectory, entry)}`), http: httpOptions() });
    return struct({ name: text(calledName(entry)), external });
  });
}

/** A binding to another script's process; one to the Worker itself stays inside. */
export function serviceBinding(binding: ServiceBinding, target: WorkerTarget): Expression {
  const entry = entryOf(binding);
  const service = binding.service === target.script ? designator(entry, target) : text(calledName(entry));
  return struct({ name: text(binding.name), service });
}

/** The called side: a socket for an entrypoint. */
export function offeredSocket(entry: ServiceEntry, target: WorkerTarget): Expression {
  return struct({
    name: text(entryId(entry)),
    service: entry.queues ? deliveryDesignator() : designator(entry, target),
    http: httpOptions(),
  });
}

function entryOf({ service, entrypoint, props }: ServiceBinding): ServiceEntry {
  return {
    script: service,
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(props === undefined ? {} : { props: JSON.stringify(props) }),
  };
}

function designator({ script, entrypoint, props }: ServiceEntry, { version }: WorkerTarget): Expression {
  return struct({
    name: text(version.assets !== undefined && entrypoint === undefined ? ASSETS_SERVICE : script),
    entrypoint: entrypoint === undefined ? undefined : text(entrypoint),
    props: props === undefined ? undefined : struct({ json: text(props) }),
  });
}

function calledName(entry: ServiceEntry): string {
  return `longshore:service:${entryId(entry)}`;
}

/** How our workerds speak with one another. */
export function httpOptions(): Expression {
  return struct({ capnpConnectHost: text(RPC_HOST), forwardedProtoHeader: text(PROTOCOL_HEADER), cfBlobHeader: text(CF_HEADER) });
}
