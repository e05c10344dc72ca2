import type { WorkerBinding, WorkerTarget } from "@longshore/contract";
import { type Expression, list, struct, text } from "../config/capnp.js";

type RateLimitBinding = Extract<WorkerBinding, { type: "ratelimit" }>;

const SERVICE = "longshore:rate-limits";
const ENTRYPOINT = "RateLimit";

/** Counts by namespace and key in the Worker's own process: workerd has no such binding, and one process serves all of the Worker's requests. */
const MODULE = `import { WorkerEntrypoint } from "cloudflare:workers";
const windows = new Map();
export class ${ENTRYPOINT} extends WorkerEntrypoint {
  limit(options) {
    const { namespace, limit, period } = this.ctx.props;
    if (typeof options?.key !== "string") throw new TypeError("limit() takes { key } with a string");
    const number = Math.floor(Date.now() / (period * 1000));
    const windowOf = namespace + "/" + period;
    let current = windows.get(windowOf);
    if (current?.number !== number) windows.set(windowOf, (current = { number, counts: new Map() }));
    const count = (current.counts.get(options.key) ?? 0) + 1;
    current.counts.set(options.key, count);
    return { success: count <= limit };
  }
}
export default {};`;

/** The service behind a Worker's rate limits; none for others. */
export function rateLimitServices({ version }: WorkerTarget): Expression[] {
  if (!version.bindings.some(({ type }) => type === "ratelimit")) return [];
  const worker = struct({
    modules: list([struct({ name: text("rate-limits.js"), esModule: text(MODULE) })]),
    compatibilityDate: text("2026-11-01"),
  });
  return [struct({ name: text(SERVICE), worker })];
}

export function rateLimitBinding({ name, namespaceId, limit, period }: RateLimitBinding): Expression {
  const props = struct({ json: text(JSON.stringify({ namespace: namespaceId, limit, period })) });
  return struct({ name: text(name), service: struct({ name: text(SERVICE), entrypoint: text(ENTRYPOINT), props }) });
}
