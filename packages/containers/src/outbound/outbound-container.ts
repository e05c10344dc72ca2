import { ContainerFields, containerOf } from "../container-fields.js";
import { Outbound } from "./outbound.js";
import type { OutboundChanges } from "./outbound-store.js";
import type { AnyOutboundHandler, OutboundHandlerChoice, OutboundParamsArg } from "./types.js";

/** The rules of a container's way out, for the class that starts it. They are no method: those can be called from other Workers. */
export let outboundOf: (container: OutboundContainer<unknown>) => Outbound;

/** The way out of a container, as far as a Container's subclass and its callers see it. Which rule counts when: precedence.ts. */
export abstract class OutboundContainer<Env = Cloudflare.Env> extends ContainerFields<Env> {
  /** Answers each request that the container makes and that no handler for its host takes. */
  static outbound?: AnyOutboundHandler;
  /** Handlers for hosts: names, addresses, networks, or globs with `*`. */
  static outboundByHost?: Record<string, AnyOutboundHandler>;
  /** Handlers that `setOutboundByHost` and `setOutboundHandler` choose by name. */
  static outboundHandlers?: Record<string, AnyOutboundHandler>;

  /** @deprecated The former name of `outbound`. */
  static get outboundProxy(): AnyOutboundHandler | undefined {
    // biome-ignore lint/complexity/noThisInStatic: each subclass has its own.
    return this.outbound;
  }
  static set outboundProxy(handler: AnyOutboundHandler) {
    // biome-ignore lint/complexity/noThisInStatic: each subclass has its own.
    this.outbound = handler;
  }
  /** @deprecated The former name of `outboundHandlers`. */
  static get outboundProxies(): Record<string, AnyOutboundHandler> | undefined {
    // biome-ignore lint/complexity/noThisInStatic: each subclass has its own.
    return this.outboundHandlers;
  }
  static set outboundProxies(handlers: Record<string, AnyOutboundHandler>) {
    // biome-ignore lint/complexity/noThisInStatic: each subclass has its own.
    this.outboundHandlers = handlers;
  }

  #outbound: Outbound;

  static {
    outboundOf = (container) => container.#outbound;
  }

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const handlers = this.constructor as typeof OutboundContainer;
    this.#outbound = new Outbound(ctx, containerOf(ctx, handlers.name), handlers, () => this);
  }

  /** Has the named handler take every request that no handler for its host takes. Throws a `TypeError` if there is no such handler. */
  async setOutboundHandler<Params = unknown>(methodName: string, ...paramsArg: OutboundParamsArg<Params>): Promise<void> {
    const catchAll = this.#outbound.choice(methodName, paramsArg);
    await this.#change(() => ({ catchAll }));
  }

  /** Has the named handler take the requests to a host, before what the class says of it. Throws a `TypeError` if there is no such handler. */
  async setOutboundByHost<Params = unknown>(hostname: string, methodName: string, ...paramsArg: OutboundParamsArg<Params>): Promise<void> {
    const choice = this.#outbound.choice(methodName, paramsArg);
    await this.#change(({ byHost }) => ({ byHost: [...byHost.filter(([host]) => host !== hostname), [hostname, choice]] }));
  }

  /** Takes back what `setOutboundByHost` said of a host. */
  async removeOutboundByHost(hostname: string): Promise<void> {
    await this.#change(({ byHost }) => ({ byHost: byHost.filter(([host]) => host !== hostname) }));
  }

  /** Replaces all that `setOutboundByHost` said. Changes nothing if it throws a `TypeError`, which it does if one of the handlers is not there. */
  async setOutboundByHosts<Params = unknown>(handlers: Record<string, string | OutboundHandlerChoice<Params>>): Promise<void> {
    const byHost = Object.entries(handlers).map(([host, handler]): [string, OutboundHandlerChoice] => {
      const { method, params = undefined } = typeof handler === "string" ? { method: handler } : (handler as OutboundHandlerChoice);
      return [host, this.#outbound.choice(method, params === undefined ? [] : [params])];
    });
    await this.#change(() => ({ byHost }));
  }

  /** Replaces `allowedHosts` for this container. An empty list allows nothing. */
  async setAllowedHosts(hosts: string[]): Promise<void> {
    const allowed = hostList(hosts);
    await this.#change(() => ({ allowed }));
  }

  /** Replaces `deniedHosts` for this container. */
  async setDeniedHosts(hosts: string[]): Promise<void> {
    const denied = hostList(hosts);
    await this.#change(() => ({ denied }));
  }

  /** Adds to the allowed hosts. Where there was no list yet, nothing but this host is allowed from now on. */
  async allowHost(hostname: string): Promise<void> {
    await this.#changeList("allowed", (hosts) => [...hosts, ...hostList([hostname])]);
  }

  async denyHost(hostname: string): Promise<void> {
    await this.#changeList("denied", (hosts) => [...hosts, ...hostList([hostname])]);
  }

  async removeAllowedHost(hostname: string): Promise<void> {
    await this.#changeList("allowed", (hosts) => hosts.filter((host) => host !== hostname));
  }

  async removeDeniedHost(hostname: string): Promise<void> {
    await this.#changeList("denied", (hosts) => hosts.filter((host) => host !== hostname));
  }

  #changeList(list: "allowed" | "denied", change: (hosts: readonly string[]) => string[]): Promise<void> {
    const hosts = [...new Set(change(this.#outbound.hosts(list) ?? []))];
    return this.#change(() => ({ [list]: hosts }));
  }

  #change(change: (current: OutboundChanges) => Partial<OutboundChanges>): Promise<void> {
    return this.#outbound.change(change);
  }
}

function hostList(hosts: readonly string[]): string[] {
  const wrong = Array.isArray(hosts) ? hosts.find((host) => typeof host !== "string" || host.trim() === "") : hosts;
  if (wrong === undefined) return [...hosts];
  throw new TypeError(`${JSON.stringify(wrong)} is no host: give names, addresses, networks as "10.0.0.0/8", or globs as "*.example.com".`);
}
