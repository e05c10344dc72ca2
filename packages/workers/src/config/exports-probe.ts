import type { WorkerTarget } from "@longshore/contract";
import { configFile, list, struct, text } from "./capnp.js";
import { type ModuleFile, moduleExpression, SOCKET_NAME } from "./worker-config.js";

/** Name of the probe's own module and, beside the configuration, of its file. */
export const PROBE_FILE = "longshore-exports-probe.mjs";

/** A configuration whose only answer is the list of names that the Worker's main module exports, as JSON. */
export interface ExportsProbe {
  readonly config: string;
  readonly source: string;
}

/**
 * workerd starts happily when a Durable Object class is not exported, and fails at its first use. This asks the loaded code itself.
 * Undefined when the main module's name cannot be written as an import without knowing how workerd resolves it.
 */
export function exportsProbe(target: WorkerTarget, files: readonly ModuleFile[]): ExportsProbe | undefined {
  const main = target.version.mainModule;
  if (!/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(main) || target.version.modules.some(({ name }) => name === PROBE_FILE)) return undefined;
  const worker = struct({
    modules: list([
      moduleExpression(PROBE_FILE, "esModule", PROBE_FILE),
      ...files.map(({ file, module }) => moduleExpression(module.name, module.kind, file)),
    ]),
    compatibilityDate: text(target.version.compatibilityDate),
    compatibilityFlags: list(target.version.compatibilityFlags.map(text)),
  });
  const services = list([struct({ name: text(target.script), worker })]);
  const sockets = list([struct({ name: text(SOCKET_NAME), service: text(target.script), http: struct({}) })]);
  return {
    config: configFile(struct({ services, sockets })),
    source: `import * as main from "./${main}";\nexport default { fetch: () => Response.json(Object.keys(main)) };\n`,
  };
}
