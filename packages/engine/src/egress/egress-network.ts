import type { Socket } from "node:net";
import { join } from "node:path";
import { openFilesLimit } from "../sys/open-files.js";
import { type Caller, deny, handleConnection } from "./connection.js";
import { Hub } from "./hub.js";
import { DNS_PORT } from "./hub-rules.js";
import type { LocalService } from "./local-service.js";
import { GATEWAY, type Place, Places } from "./place.js";
import { EgressPolicy } from "./policy.js";
import { Resolver } from "./resolver.js";
import { TenantEgress } from "./tenant-egress.js";
import { UpstreamResolvers } from "./upstream-resolvers.js";

export interface EgressSettings {
  /** Addresses and networks that containers may reach although they are not public. */
  readonly allow: readonly string[];
  /** In place of those in `/etc/resolv.conf`: `address` or `address:port`. */
  readonly resolvers?: readonly string[];
  /** What this machine serves itself under names of the Internet. */
  readonly service?: LocalService;
}

export interface EgressOptions extends EgressSettings {
  /** A directory per tenant is made below it. */
  readonly directory: string;
  /** Whose sandbox it is; `undefined` while it waits in the pool. */
  owner(sandbox: string): Caller | undefined;
  log(message: string, details?: Record<string, unknown>): void;
}

/** One container has at most this many connections and queries open: a flood of one must not take the engine's descriptors from the others. */
const CONNECTIONS_PER_CONTAINER = 1_000;
const QUERIES_PER_CONTAINER = 200;
/** All together: each connection takes two descriptors, and the way in needs some as well. */
const CONNECTIONS = Math.floor(openFilesLimit() / 8);
const COMPLAINT_INTERVAL_MS = 1_000;

/**
 * The outbound network of all containers of this host. A sandbox gets its place while it is made; who it belongs to, and what its Worker has said,
 * is looked up for each connection.
 *
 * Order of calls for a sandbox: {@link reserve}, {@link connect}, at the end {@link release}; {@link reconnect} in place of the first two
 * for one that was there before this engine.
 */
export class EgressNetwork implements Disposable {
  readonly #options: EgressOptions;
  readonly #policy: EgressPolicy;
  readonly #resolver: Resolver;
  readonly #places = new Places();
  readonly #byId = new Map<string, Place>();
  readonly #byAddress = new Map<string, string>();
  readonly #connections = new Map<string, Set<Socket>>();
  readonly #queries = new Map<string, number>();
  readonly #tenants = new Map<string, TenantEgress>();
  #hub: Hub | undefined;
  #quietUntil = 0;
  /** Connections of all containers. */
  #total = 0;

  private constructor(options: EgressOptions) {
    this.#options = options;
    this.#policy = new EgressPolicy(options.allow);
    this.#resolver = new Resolver(new UpstreamResolvers(options.resolvers), options.service);
  }

  /** Errors: `UNAVAILABLE` (nft or a kernel feature is missing), `INVALID_INPUT` (`allow`). */
  static async open(options: EgressOptions): Promise<EgressNetwork> {
    const network = new EgressNetwork(options);
    network.#hub = await Hub.open({
      connection: (socket) => network.#connection(socket),
      query: (message, from, reply) => void network.#query(message, from, reply),
      failed: (error) => options.log("a listener of the containers' network failed", { error: String(error) }),
    });
    return network;
  }

  async openTenant(id: string): Promise<TenantEgress> {
    const tenant = await TenantEgress.open(join(this.#options.directory, id), id);
    this.#tenants.set(id, tenant);
    return tenant;
  }

  /** What this machine serves to containers under names of the Internet. */
  get service(): LocalService | undefined {
    return this.#options.service;
  }

  /** What a container finds in `/etc/resolv.conf`. */
  get resolvConf(): string {
    return `nameserver ${GATEWAY.ipv4}\n`;
  }

  reserve(sandbox: string): Place {
    return this.#enter(sandbox, this.#places.take());
  }

  async connect(sandbox: string, pid: number): Promise<void> {
    await this.#hub?.connect(this.#placeOf(sandbox), pid);
  }

  async reconnect(sandbox: string, place: number, pid: number): Promise<void> {
    this.#enter(sandbox, this.#places.claim(place));
    await this.#hub?.reconnect(this.#placeOf(sandbox), pid);
  }

  /** The sandbox has ended, or is about to. The kernel removes its cable with its network namespace. */
  release(sandbox: string): void {
    const place = this.#byId.get(sandbox);
    if (place === undefined) return;
    this.#byId.delete(sandbox);
    for (const address of [place.ipv4, place.ipv6]) this.#byAddress.delete(address);
    for (const socket of this.#connections.get(sandbox) ?? []) socket.destroy();
    this.#places.giveBack(place);
  }

  /** Ends every connection and the hub. */
  [Symbol.dispose](): void {
    for (const sockets of this.#connections.values()) for (const socket of sockets) socket.destroy();
    for (const tenant of this.#tenants.values()) tenant[Symbol.dispose]();
    this.#hub?.[Symbol.dispose]();
  }

  #enter(sandbox: string, place: Place): Place {
    this.#byId.set(sandbox, place);
    for (const address of [place.ipv4, place.ipv6]) this.#byAddress.set(address, sandbox);
    return place;
  }

  #placeOf(sandbox: string): Place {
    const place = this.#byId.get(sandbox);
    if (place === undefined) throw new Error(`sandbox ${sandbox} has no place in the network`);
    return place;
  }

  #connection(socket: Socket): void {
    const sandbox = this.#byAddress.get(socket.remoteAddress ?? "");
    const caller = sandbox === undefined ? undefined : this.#options.owner(sandbox);
    if (sandbox === undefined || caller === undefined || !this.#count(sandbox, socket)) {
      socket.on("error", () => socket.destroy());
      deny(socket);
      return;
    }
    const work =
      socket.localPort === DNS_PORT
        ? this.#resolver.serve(socket, caller.rules)
        : handleConnection(socket, caller, this.#policy, this.#options.service);
    work.catch((error: unknown) => {
      deny(socket);
      if (socket.localPort !== DNS_PORT) this.#complain(sandbox, `${socket.localAddress} ${socket.localPort}`, error);
    });
  }

  /** Now and then: how often connections fail is the container's choice. */
  #complain(sandbox: string, destination: string, error: unknown): void {
    const now = Date.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + COMPLAINT_INTERVAL_MS;
    this.#options.log("an outbound connection failed", { sandbox, destination, error: String(error) });
  }

  /** Keeps the connection in the books; false when the container has too many. */
  #count(sandbox: string, socket: Socket): boolean {
    const open = this.#connections.get(sandbox) ?? new Set();
    if (open.size >= CONNECTIONS_PER_CONTAINER || this.#total >= CONNECTIONS) {
      const whose = open.size >= CONNECTIONS_PER_CONTAINER ? "the container has" : "all containers together have";
      this.#complain(sandbox, `${socket.localAddress} ${socket.localPort}`, `${whose} as many connections open as are allowed`);
      return false;
    }
    open.add(socket);
    this.#total++;
    this.#connections.set(sandbox, open);
    socket.once("close", () => {
      open.delete(socket);
      this.#total--;
      if (open.size === 0) this.#connections.delete(sandbox);
    });
    return true;
  }

  async #query(message: Buffer, from: string, reply: (answer: Buffer) => void): Promise<void> {
    const sandbox = this.#byAddress.get(from);
    const caller = sandbox === undefined ? undefined : this.#options.owner(sandbox);
    const pending = this.#queries.get(from) ?? 0;
    if (caller === undefined || pending >= QUERIES_PER_CONTAINER) return;
    this.#queries.set(from, pending + 1);
    try {
      const answer = await this.#resolver.answer(message, caller.rules());
      if (answer !== undefined && this.#byAddress.get(from) === sandbox) reply(answer);
    } catch (error) {
      this.#options.log("a DNS query failed", { sandbox, error: String(error) });
    } finally {
      const left = (this.#queries.get(from) ?? 1) - 1;
      if (left > 0) this.#queries.set(from, left);
      else this.#queries.delete(from);
    }
  }
}
