import type { WorkerTarget } from "@longshore/contract";
import { type Expression, list, struct, text } from "../config/capnp.js";

const DELIVERY_SERVICE = "longshore:queue-delivery";
const ENTRYPOINT = "Delivery";

/** Calls the Worker's `queue()` beside it: that event does not travel between processes, a method's arguments do. */
const SOURCE = `import { WorkerEntrypoint } from "cloudflare:workers";
export class ${ENTRYPOINT} extends WorkerEntrypoint {
  ready() {}
  async deliver(queue, messages, metadata) {
    try {
      const { outcome, ackAll, retryBatch, explicitAcks, retryMessages } = await this.env.WORKER.queue(queue, messages, metadata);
      return { outcome, ackAll, retryBatch, explicitAcks, retryMessages };
    } catch (error) {
      console.error("The queue " + JSON.stringify(queue) + " could not be consumed: " + error);
      return { outcome: "exception", ackAll: false, retryBatch: { retry: false }, explicitAcks: [], retryMessages: [] };
    }
  }
}
export default {};`;

/** In the process of a Worker that consumes a queue. */
export function deliveryService({ script }: WorkerTarget): Expression {
  const worker = struct({
    modules: list([struct({ name: text("queue-delivery.js"), esModule: text(SOURCE) })]),
    compatibilityDate: text("2026-11-01"),
    compatibilityFlags: list([text("service_binding_extra_handlers")]),
    bindings: list([struct({ name: text("WORKER"), service: text(script) })]),
  });
  return struct({ name: text(DELIVERY_SERVICE), worker });
}

export function deliveryDesignator(): Expression {
  return struct({ name: text(DELIVERY_SERVICE), entrypoint: text(ENTRYPOINT) });
}
