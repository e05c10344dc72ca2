import { canonicalHost, findByHost, matchesHost } from "./host-pattern.js";
import type { OutboundHandler, OutboundHandlerChoice } from "./types.js";

/** What one container may reach: what its class says, and what was changed for it at run time. Plain data, hosts in canonical form. */
export interface OutboundPolicy {
  /** `enableInternet`, as it was when the container was started. */
  readonly internet: boolean;
  /** `undefined`: no list. An empty list allows nothing. */
  readonly allowed: readonly string[] | undefined;
  readonly denied: readonly string[] | undefined;
  /** Chosen with `setOutboundByHost`. */
  readonly byHost: ReadonlyArray<readonly [host: string, choice: OutboundHandlerChoice]>;
  /** Chosen with `setOutboundHandler`. */
  readonly catchAll: OutboundHandlerChoice | undefined;
}

/** The handlers that a class has: functions, which do not travel. */
export interface ClassHandlers {
  readonly outbound?: OutboundHandler | undefined;
  readonly outboundByHost?: Record<string, OutboundHandler> | undefined;
  readonly outboundHandlers?: Record<string, OutboundHandler> | undefined;
}

export type Decision =
  | { readonly kind: "deny" }
  | { readonly kind: "internet" }
  | { readonly kind: "handler"; readonly handler: OutboundHandler; readonly choice?: OutboundHandlerChoice };

const DENY: Decision = { kind: "deny" };
const INTERNET: Decision = { kind: "internet" };

type Step = (policy: OutboundPolicy, handlers: ClassHandlers, host: string) => Decision | undefined;

/**
 * The nine steps in which a request that a container makes is decided: the first that has an answer decides. Documentation: "Handle outbound
 * traffic", handler precedence.
 */
export const STEPS: ReadonlyArray<readonly [name: string, step: Step]> = [
  ["deniedHosts", ({ denied }, _, host) => (isListed(denied, host) ? DENY : undefined)],
  ["allowedHosts", ({ allowed }, _, host) => (allowed === undefined || isListed(allowed, host) ? undefined : DENY)],
  ["setOutboundByHost", ({ byHost }, handlers, host) => chosen(findByHost(byHost, host), handlers)],
  ["outboundByHost", (_, handlers, host) => declared(findByHost(staticHosts(handlers), host))],
  ["setOutboundHandler", ({ catchAll }, handlers) => chosen(catchAll, handlers)],
  ["outbound", (_, { outbound }) => declared(outbound)],
  ["allowedHosts, no handler", ({ allowed }) => (allowed === undefined ? undefined : INTERNET)],
  ["enableInternet", ({ internet }) => (internet ? INTERNET : undefined)],
  ["nothing allows it", () => DENY],
];

/** What becomes of a request to `host` (canonical), and which of the {@link STEPS} says so. Pure. */
export function decide(policy: OutboundPolicy, handlers: ClassHandlers, host: string): Decision & { readonly step: string } {
  for (const [step, decided] of STEPS) {
    const decision = decided(policy, handlers, host);
    if (decision !== undefined) return { ...decision, step };
  }
  return { ...DENY, step: "nothing allows it" };
}

/** The handler of that name, if the class has it. */
export function namedHandler({ outboundHandlers = {} }: ClassHandlers, name: string): OutboundHandler | undefined {
  return Object.hasOwn(outboundHandlers, name) ? outboundHandlers[name] : undefined;
}

/** The entries of `outboundByHost`. */
export function staticHosts({ outboundByHost = {} }: ClassHandlers): Array<[host: string, handler: OutboundHandler]> {
  return Object.entries(outboundByHost).map(([host, handler]) => [canonicalHost(host), handler]);
}

function isListed(patterns: readonly string[] | undefined, host: string): boolean {
  return patterns?.some((pattern) => matchesHost(pattern, host)) === true;
}

function declared(handler: OutboundHandler | undefined): Decision | undefined {
  return handler === undefined ? undefined : { kind: "handler", handler };
}

/** A choice whose handler is gone, as after a deploy, must not open what it had guarded. */
function chosen(choice: OutboundHandlerChoice | undefined, handlers: ClassHandlers): Decision | undefined {
  if (choice === undefined) return undefined;
  const handler = namedHandler(handlers, choice.method);
  return handler === undefined ? DENY : { kind: "handler", handler, choice };
}
