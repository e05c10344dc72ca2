import { WorkerEntrypoint } from "cloudflare:workers";
import { handlersOf } from "./class-registry.js";
import { canonicalHost } from "./host-pattern.js";
import { decide, type OutboundPolicy } from "./precedence.js";

/** What the proxy of one container knows. */
export interface ContainerProxyProps {
  readonly containerId: string;
  readonly className: string;
  /** The class's name in the registry. */
  readonly registered: string;
  readonly policy: OutboundPolicy;
}

/** Carries the step that refused a request, for whoever looks for the reason. */
export const OUTBOUND_HEADER = "x-container-outbound";

/** The engine's question, in place of a request: what would become of one to this host? */
const QUESTION_HEADER = "x-longshore-question";
const ANSWERED = 204;

/** The status that a refused request is answered with. */
const DENIED = 520;
const HANDLER_FAILED = 500;

/**
 * Gets the requests that containers make and the runtime intercepts. Export it from the Worker's entry module: `export { ContainerProxy }`.
 * Whatever goes wrong, a request that nothing allows is not sent.
 */
export class ContainerProxy extends WorkerEntrypoint<Cloudflare.Env, ContainerProxyProps> {
  override async fetch(request: Request): Promise<Response> {
    const { containerId, className, registered, policy } = this.ctx.props;
    const handlers = handlersOf(registered);
    if (handlers === undefined) return denied("no such class");
    const decision = decide(policy, handlers, canonicalHost(new URL(request.url).hostname));
    if (request.headers.has(QUESTION_HEADER))
      return new Response(null, { status: ANSWERED, headers: { [OUTBOUND_HEADER]: decision.kind } });
    if (decision.kind === "deny") return denied(decision.step);
    if (decision.kind === "internet") return fetch(request);
    const { handler, choice } = decision;
    try {
      return await handler(request, this.env, { containerId, className, ...(choice && { params: choice.params }) });
    } catch (error) {
      console.error(`The outbound handler (${decision.step}) of ${className} failed:`, error);
      return new Response("The outbound handler failed.", { status: HANDLER_FAILED, headers: { [OUTBOUND_HEADER]: "failed" } });
    }
  }
}

function denied(step: string): Response {
  return new Response("Origin is disallowed", { status: DENIED, headers: { [OUTBOUND_HEADER]: step } });
}
