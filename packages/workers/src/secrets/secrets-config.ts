import { join } from "node:path";
import type { WorkerBinding, WorkerTarget } from "@longshore/contract";
import { type Expression, list, struct, text } from "../config/capnp.js";
import { SERVICES_DIRECTORY } from "../services/service-calls.js";

type SecretBinding = Extract<WorkerBinding, { type: "secrets_store_secret" }>;

const SERVICE = "longshore:secrets";
const SOURCE_SERVICE = "longshore:secret-source";
const ENTRYPOINT = "Secret";

/** How long a Worker's process uses a value before it asks for it again, in milliseconds. */
export const KNOWN_FOR_MS = 1000;
/** How long it waits for a server that is away, for a value that it has never had, in milliseconds. */
const WAIT_MS = 10_000;

export function secretsSocket(runDirectory: string): string {
  return join(runDirectory, SERVICES_DIRECTORY, "secrets.sock");
}

/**
 * What the binding is: `get()` and nothing else. Values are asked of the server, never written into a configuration, so that a change needs no deploy;
 * while the server is away, what is known goes on being used.
 */
const MODULE = `import { WorkerEntrypoint } from "cloudflare:workers";
const known = new Map();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export class ${ENTRYPOINT} extends WorkerEntrypoint {
  async get() {
    const { store, name } = this.ctx.props;
    const path = store + "/" + encodeURIComponent(name);
    const before = known.get(path);
    if (before !== undefined && Date.now() < before.until) return before.value;
    for (const deadline = Date.now() + ${WAIT_MS}; ; await pause(50)) {
      let response;
      try {
        response = await this.env.SOURCE.fetch("http://secrets/" + path);
      } catch (error) {
        if (before !== undefined) return before.value;
        if (Date.now() > deadline) throw new Error("The secret " + JSON.stringify(name) + " cannot be read: Longshore's server does not answer.");
        continue;
      }
      const value = await response.text();
      if (response.status === 200) {
        known.set(path, { value, until: Date.now() + ${KNOWN_FOR_MS} });
        return value;
      }
      known.delete(path);
      if (response.status === 404) throw new Error("Secret " + JSON.stringify(name) + " not found in its store, or not in the scope of Workers");
      throw new Error("The secret " + JSON.stringify(name) + " cannot be read; Longshore's server log says why.");
    }
  }
}
export default {};`;

/** Services for a Worker that is bound to secrets of the account's; none for others. */
export function secretServices({ version }: WorkerTarget, runDirectory: string): Expression[] {
  if (!version.bindings.some(({ type }) => type === "secrets_store_secret")) return [];
  const worker = struct({
    modules: list([struct({ name: text("secrets.js"), esModule: text(MODULE) })]),
    compatibilityDate: text("2026-11-01"),
    bindings: list([struct({ name: text("SOURCE"), service: text(SOURCE_SERVICE) })]),
  });
  const external = struct({ address: text(`unix:${secretsSocket(runDirectory)}`), http: struct({}) });
  return [struct({ name: text(SERVICE), worker }), struct({ name: text(SOURCE_SERVICE), external })];
}

export function secretBinding({ name, storeId, secretName }: SecretBinding): Expression {
  const props = struct({ json: text(JSON.stringify({ store: storeId, name: secretName })) });
  return struct({ name: text(name), service: struct({ name: text(SERVICE), entrypoint: text(ENTRYPOINT), props }) });
}
