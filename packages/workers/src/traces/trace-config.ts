import { join } from "node:path";
import type { WorkerTarget } from "@longshore/contract";
import { type Expression, list, struct, text } from "../config/capnp.js";
import { SERVICES_DIRECTORY } from "../services/service-calls.js";

export const TRACE_SERVICE = "longshore:traces";
const SINK_SERVICE = "longshore:trace-sink";

/** How long a Worker's process believes that nobody wants its traces, in milliseconds. */
export const ASK_AGAIN_MS = 1000;

export function sinkSocket(runDirectory: string): string {
  return join(runDirectory, SERVICES_DIRECTORY, "traces.sock");
}

/** The tail Worker of a traced Worker. While nobody listens it asks the server once a second, and makes no text of what it gets. */
const SOURCE = `let askAgain = 0;
export default { async tail(events, env) {
  if (Date.now() < askAgain) return;
  let wanted = false;
  try {
    const body = JSON.stringify(events);
    const response = await env.SINK.fetch("http://traces/" + env.SCRIPT, { method: "POST", headers: { version: env.VERSION }, body });
    wanted = response.status === 200;
    await response.body?.cancel();
  } catch {
    // The server is away, and with it whoever listened.
  }
  if (!wanted) askAgain = Date.now() + ${ASK_AGAIN_MS};
} };`;

/** Services for a Worker whose traces can be listened to; none for others. */
export function traceServices(target: WorkerTarget, runDirectory: string): Expression[] {
  if (target.traced !== true) return [];
  const worker = struct({
    modules: list([struct({ name: text("traces.js"), esModule: text(SOURCE) })]),
    compatibilityDate: text("2026-11-01"),
    bindings: list([
      struct({ name: text("SINK"), service: text(SINK_SERVICE) }),
      struct({ name: text("SCRIPT"), text: text(target.script) }),
      struct({ name: text("VERSION"), text: text(target.version.id) }),
    ]),
  });
  const external = struct({ address: text(`unix:${sinkSocket(runDirectory)}`), http: struct({}) });
  return [struct({ name: text(TRACE_SERVICE), worker }), struct({ name: text(SINK_SERVICE), external })];
}
