import type { WorkerTarget } from "@longshore/contract";
import { bool, type Expression, list, struct, text } from "./capnp.js";

/** Directory, below the script's objects, of what is known about its next run. */
export const CRON_STORAGE = "longshore-cron";
const CRON_SERVICE = "longshore:cron";
const STUB_SERVICE = "longshore:cron-stub";
/** A name of the service binding for workerd's module; there is one schedule in each process. */
const BINDING = "WORKER";

/**
 * workerd's own cron module beside the Worker: one Durable Object whose alarm is the schedule, so that a run that falls into a restart is made up for.
 * With `stub`, the expressions are read and the Worker is never called.
 */
export function cronServices({ script, crons = [] }: WorkerTarget, storageService: string, stub: boolean): Expression[] {
  if (crons.length === 0) return [];
  const worker = struct({
    modules: list([struct({ name: text("cron.js"), bundled: text("/workerd/cron.js") })]),
    compatibilityDate: text("2026-11-01"),
    compatibilityFlags: list([text("service_binding_extra_handlers")]),
    bindings: list([
      struct({ name: text("SCHEDULE"), durableObjectNamespace: text("Schedule") }),
      struct({ name: text("CRONS"), json: text(JSON.stringify({ [BINDING]: crons })) }),
      struct({ name: text(BINDING), service: text(stub ? STUB_SERVICE : script) }),
    ]),
    durableObjectNamespaces: list([struct({ className: text("Schedule"), uniqueKey: text(CRON_STORAGE), enableSql: bool(true) })]),
    durableObjectStorage: struct({ localDisk: text(storageService) }),
  });
  const services = [struct({ name: text(CRON_SERVICE), worker })];
  if (stub) services.push(struct({ name: text(STUB_SERVICE), worker: stubWorker() }));
  return services;
}

function stubWorker(): Expression {
  const source = text("export default { scheduled() {} };");
  return struct({ modules: list([struct({ name: text("stub.js"), esModule: source })]), compatibilityDate: text("2026-11-01") });
}
