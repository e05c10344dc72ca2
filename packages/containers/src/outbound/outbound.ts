import { ContainerError } from "../container-error.js";
import { within } from "../wait.js";
import { registerClass } from "./class-registry.js";
import type { ContainerProxyProps } from "./container-proxy.js";
import { canonicalHost } from "./host-pattern.js";
import { type OutboundChanges, OutboundStore } from "./outbound-store.js";
import { type ClassHandlers, namedHandler, type OutboundPolicy, staticHosts } from "./precedence.js";
import type { OutboundHandlerChoice } from "./types.js";

/** How long events wait for the rules of a container that was found running. */
const RESUME_MS = 5000;

/** What the class says of its objects' containers, as it is now. */
export interface OutboundSettings {
  readonly enableInternet?: boolean | undefined;
  readonly interceptHttps: boolean;
  readonly allowedHosts?: readonly string[] | undefined;
  readonly deniedHosts?: readonly string[] | undefined;
}

/** How much is intercepted: only the hosts that the class has handlers for, where nothing asks for more. */
type Interception = "none" | "hosts" | "all";

/**
 * The way out of one object's container: what may be reached, and which handlers see it. A class that says nothing of it costs nothing: neither a
 * call of the runtime nor of the engine.
 */
export class Outbound {
  #store: OutboundStore;
  /** `enableInternet` of the present start, where it is not the class's. */
  #startedWith: boolean | undefined;
  /** True from before a start until the end of the process: changes are to be told to the runtime. */
  #live = false;
  /** Hosts that the runtime may still have an older policy for. */
  #told = new Set<string>();
  #warned = false;
  #applying: Promise<void> = Promise.resolve();

  constructor(
    private readonly ctx: DurableObjectState,
    private readonly container: NonNullable<DurableObjectState["container"]>,
    private readonly handlers: ClassHandlers & { readonly name: string },
    private readonly settings: () => OutboundSettings,
  ) {
    this.#store = new OutboundStore(ctx);
    registerClass(handlers, handlers.name);
  }

  /**
   * Has the runtime intercept what must be intercepted before the process starts. `undefined` where there is nothing to do, which is known at once.
   * Rejects if it cannot be done: the process must not start then.
   */
  beforeStart(internet: boolean | undefined): Promise<void> | undefined {
    this.#startedWith = internet === this.settings().enableInternet ? undefined : internet;
    this.#store.setStartedWith(this.#startedWith);
    this.#live = true;
    return this.#interception() === "none" ? undefined : this.#apply();
  }

  /**
   * The process was found running: the runtime may have forgotten what it was told, as after a restart. It lets nothing out until it is told, so
   * that `hold`, which keeps events away meanwhile, is for the sake of the program's own requests.
   */
  resume(hold: (work: () => Promise<void>) => Promise<void>): void {
    this.#live = true;
    this.#startedWith = this.#store.startedWith();
    if (this.#interception() === "none") return;
    for (const [host] of staticHosts(this.handlers)) this.#told.add(host);
    void hold(async () => {
      const failed = (error: unknown) => console.error(`The outbound rules of ${this.handlers.name} could not be renewed:`, error);
      await within(RESUME_MS, this.#apply().catch(failed));
    });
  }

  /** True if the Worker exports what answers the engine's questions. */
  get answers(): boolean {
    return (this.ctx as { exports?: { ContainerProxy?: unknown } }).exports?.ContainerProxy !== undefined;
  }

  ended(): void {
    this.#live = false;
  }

  /** Changes what was said at run time, for good; a running container meets it at once, on connections that are open too. */
  async change(change: (current: OutboundChanges) => Partial<OutboundChanges>): Promise<void> {
    this.#store.change(change(this.#changes()));
    if (this.#live) await this.#apply();
  }

  /** The choice of a handler by its name. Throws a `TypeError` if the class has none of that name. */
  choice(method: string, params: readonly unknown[]): OutboundHandlerChoice {
    if (namedHandler(this.handlers, method) === undefined) {
      throw new TypeError(`${this.handlers.name}.outboundHandlers has no handler "${method}".`);
    }
    return params.length === 0 ? { method } : ({ method, params: params[0] } as OutboundHandlerChoice);
  }

  /** The list that counts now. */
  hosts(list: "allowed" | "denied"): readonly string[] | undefined {
    const { allowedHosts, deniedHosts } = this.settings();
    return this.#changes()[list] ?? (list === "allowed" ? allowedHosts : deniedHosts);
  }

  #changes(): OutboundChanges {
    return this.#store.get() ?? { byHost: [] };
  }

  #interception(): Interception {
    if (this.#store.get() !== undefined || this.handlers.outbound !== undefined) return "all";
    if (this.hosts("allowed") !== undefined || this.hosts("denied") !== undefined) return "all";
    const hosts = staticHosts(this.handlers);
    // The runtime takes an IPv6 address for a host with a port.
    if (hosts.some(([host]) => host.includes(":"))) return "all";
    return hosts.length > 0 ? "hosts" : "none";
  }

  #policy(): OutboundPolicy {
    const { byHost, catchAll } = this.#changes();
    return {
      internet: this.#startedWith ?? this.settings().enableInternet ?? false,
      allowed: this.hosts("allowed")?.map(canonicalHost),
      denied: this.hosts("denied")?.map(canonicalHost),
      byHost: byHost.map(([host, choice]) => [canonicalHost(host), choice]),
      catchAll,
    };
  }

  /** One at a time, in order: each takes what is said when its turn comes. */
  #apply(): Promise<void> {
    const done = this.#applying.then(() => this.#tellRuntime());
    this.#applying = done.catch(() => undefined);
    return done;
  }

  async #tellRuntime(): Promise<void> {
    const proxy = this.#proxy();
    const { interceptHttps } = this.settings();
    if (!interceptHttps) this.#warnOfHttps();
    const calls: Array<Promise<void>> = [];
    const all = this.#interception() === "all";
    if (!all) for (const [host] of staticHosts(this.handlers)) this.#told.add(host);
    for (const host of this.#told) {
      calls.push(this.container.interceptOutboundHttp(host, proxy));
      if (interceptHttps) calls.push(this.container.interceptOutboundHttps(host, proxy));
    }
    if (all && interceptHttps) calls.push(this.container.interceptOutboundHttps("*", proxy));
    if (all) calls.push(this.container.interceptAllOutboundHttp(proxy));
    await Promise.all(calls);
  }

  /** Lists that look as if they held for everything, and do not, are the kind of surprise that costs a secret. */
  #warnOfHttps(): void {
    if (this.#warned || !this.#policy().internet || (this.hosts("allowed") ?? this.hosts("denied")) === undefined) return;
    this.#warned = true;
    console.warn(
      `${this.handlers.name}: allowedHosts and deniedHosts hold for HTTP only; set interceptHttps = true, or enableInternet = false, to cover HTTPS.`,
    );
  }

  #proxy(): Fetcher {
    const { exports } = this.ctx as { exports?: { ContainerProxy?: (options: { props: ContainerProxyProps }) => Fetcher } };
    if (exports?.ContainerProxy === undefined) throw new ContainerError("START_FAILED", missingProxy(this.handlers.name));
    const { name } = this.handlers;
    const registered = registerClass(this.handlers, name);
    return exports.ContainerProxy({
      props: { containerId: this.ctx.id.toString(), className: name, registered, policy: this.#policy() },
    });
  }
}

function missingProxy(className: string): string {
  return `${className} has rules for outbound traffic, and the Worker's entry module does not export ContainerProxy: add \`export { ContainerProxy } from "@longshore/containers"\`, and use a compatibility date of 2025-11-17 or later.`;
}
