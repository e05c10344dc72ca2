import { spawn } from "node:child_process";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { existsSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { LongshoreError } from "@longshore/contract";
import { NetworkNamespace } from "../network/namespace.js";
import { AF_INET, AF_INET6, ERRNO, SystemCallError } from "../sys/libc.js";
import { boundSocket } from "../sys/listening-socket.js";
import { Netlink, type NetlinkMessage } from "../sys/netlink.js";
import {
  address,
  defaultRoute,
  everythingIsLocal,
  hostRoute,
  type LinkEnd,
  linkUp,
  neighbour,
  noAutomaticAddress,
  removeLink,
  removeRule,
  rule,
  TABLE,
  vethPair,
} from "../sys/network-messages.js";
import { DNS_PORT, FROM_CONTAINER, hubRules, OTHER_DNS_PORT, TRANSPARENT_PORT } from "./hub-rules.js";
import { addressBytes, GATEWAY, type Place } from "./place.js";

/** All containers share the listeners: room for the burst of one beside the others. */
const BACKLOG = 4096;
const LOOPBACK = 1;
/** The container's end of its cable; crun makes its loopback interface the first. */
const CONTAINER_INTERFACE = 2;
const FIRST_INTERFACE = 10;
const PRIORITY = { marked: 5, main: 10, local: 20 } as const;

export interface HubTraffic {
  /** A TCP connection of a container. `localAddress` and `localPort` are where it was meant to go, `remoteAddress` is the container. */
  connection(socket: Socket): void;
  /** A DNS query of a container by UDP. */
  query(message: Buffer, from: string, reply: (answer: Buffer) => void): void;
  failed(error: Error): void;
}

/**
 * The network that containers are connected to: a namespace of the engine's own, with a cable to each container and no way out. Whatever a
 * container sends ends here, in two listeners, and the engine decides what becomes of it.
 *
 * The hub lives and dies with the engine's process. So do all the connections through it, so nothing is lost by making a new one at the next
 * start and connecting the running containers to it, with the addresses they had.
 */
export class Hub implements Disposable {
  readonly ipv6: boolean;
  readonly #namespace: NetworkNamespace;
  readonly #netlink: Netlink;
  readonly #servers: Server[] = [];
  readonly #resolvers: UdpSocket[] = [];

  private constructor(namespace: NetworkNamespace, ipv6: boolean) {
    this.#namespace = namespace;
    this.ipv6 = ipv6;
    this.#netlink = namespace.visit(() => new Netlink());
  }

  /** Errors: `UNAVAILABLE` when nft or a kernel feature is missing. */
  static async open(traffic: HubTraffic): Promise<Hub> {
    const ipv6 = existsSync("/proc/sys/net/ipv6");
    const hub = new Hub(NetworkNamespace.create(), ipv6);
    try {
      await hub.#netlink.apply(routing(ipv6));
      await hub.#loadRules();
      hub.#listen(traffic);
      return hub;
    } catch (cause) {
      hub[Symbol.dispose]();
      if (cause instanceof LongshoreError) throw cause;
      throw new LongshoreError("UNAVAILABLE", `The containers' network could not be made: ${String(cause)}`, {
        hint: "The kernel needs veth and policy routing. `longshore doctor` looks for what is missing.",
        cause,
      });
    }
  }

  /** Connects the network namespace of a process, which must have none of it yet: interface, addresses, routes. About a millisecond. */
  async connect(place: Place, pid: number): Promise<void> {
    const index = FIRST_INTERFACE + place.number;
    const here: LinkEnd = { index, name: `c${place.number}`, mac: mac(2, place.number) };
    const there: LinkEnd = { index: CONTAINER_INTERFACE, name: "eth0", mac: mac(6, place.number) };
    const addresses = [addressBytes(place.ipv4), ...(this.ipv6 ? [addressBytes(place.ipv6)] : [])];
    const gateways = [addressBytes(GATEWAY.ipv4), ...(this.ipv6 ? [addressBytes(GATEWAY.ipv6)] : [])];
    using inside = netlinkOf(pid);
    const quiet = (end: LinkEnd) => (this.ipv6 ? [noAutomaticAddress(end.index)] : []);
    await this.#netlink.apply([
      vethPair(here, there, pid),
      ...quiet(here),
      linkUp(index),
      ...addresses.flatMap((bytes) => [neighbour(index, bytes, there.mac), hostRoute(index, bytes)]),
    ]);
    await inside.apply([
      ...quiet(there),
      linkUp(there.index),
      ...addresses.map((bytes) => address(there.index, bytes)),
      ...gateways.flatMap((bytes) => [
        neighbour(there.index, bytes, here.mac),
        hostRoute(there.index, bytes),
        defaultRoute(there.index, bytes),
      ]),
    ]);
  }

  /** Like {@link connect}, for a process that an earlier hub was connected to; what is left of that connection is removed. */
  async reconnect(place: Place, pid: number): Promise<void> {
    using inside = netlinkOf(pid);
    await inside.apply([removeLink(CONTAINER_INTERFACE)]).catch((error: unknown) => {
      // The kernel may have removed it with the earlier hub.
      if (!(error instanceof SystemCallError && error.errno === ERRNO.ENODEV)) throw error;
    });
    await this.connect(place, pid);
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.close();
    for (const resolver of this.#resolvers) resolver.close();
    this.#netlink[Symbol.dispose]();
    this.#namespace[Symbol.dispose]();
  }

  async #loadRules(): Promise<void> {
    // The child is forked before spawn returns, so it starts inside.
    const nft = this.#namespace.visit(() =>
      spawn("nft", ["-f", "-"], { stdio: ["pipe", "ignore", "pipe"], env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" } }),
    );
    const ended = new Promise<number | null>((resolve, reject) => {
      nft.once("error", reject);
      nft.once("close", resolve);
    });
    nft.stdin.end(hubRules(this.ipv6));
    const [complaint, code] = await Promise.all([text(nft.stderr), ended]).catch((cause: unknown) => {
      throw new LongshoreError("UNAVAILABLE", "The program nft could not be run; the containers' network needs it.", {
        hint: "Install the package nftables.",
        cause,
      });
    });
    if (code === 0) return;
    throw new LongshoreError("UNAVAILABLE", `The kernel did not take the rules of the containers' network: ${complaint.trim()}`, {
      hint: "The kernel needs nf_tables with tproxy, nat and fib.",
    });
  }

  #listen(traffic: HubTraffic): void {
    const families = [
      { family: AF_INET, udp: "udp4", loopback: "127.0.0.1", gateway: GATEWAY.ipv4 } as const,
      ...(this.ipv6 ? [{ family: AF_INET6, udp: "udp6", loopback: "::1", gateway: GATEWAY.ipv6 } as const] : []),
    ];
    for (const { family, udp, loopback, gateway } of families) {
      const tcp = { family, kind: "tcp", address: addressBytes(loopback), port: TRANSPARENT_PORT, transparent: true } as const;
      const fd = this.#namespace.visit(() => boundSocket(tcp));
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => traffic.connection(socket));
      server.on("error", (error) => traffic.failed(error));
      server.listen({ fd }, BACKLOG);
      this.#servers.push(server);

      for (const port of family === AF_INET ? [DNS_PORT, OTHER_DNS_PORT] : [OTHER_DNS_PORT]) {
        const dns = { family, kind: "udp", address: addressBytes(gateway), port, transparent: false } as const;
        this.#resolve(
          createSocket(udp),
          this.#namespace.visit(() => boundSocket(dns)),
          traffic,
        );
      }
    }
  }

  #resolve(socket: UdpSocket, fd: number, traffic: HubTraffic): void {
    socket.on("error", (error) => traffic.failed(error));
    socket.on("message", (message, { address: from, port }) => {
      traffic.query(message, from, (answer) => socket.send(answer, port, from));
    });
    socket.bind({ fd });
    this.#resolvers.push(socket);
  }
}

function netlinkOf(pid: number): Netlink {
  using namespace = NetworkNamespace.ofProcess(pid);
  return namespace.visit(() => new Netlink());
}

/**
 * A container's packets are local whatever their destination; the engine's answers to a container go out on its cable; and every other address is
 * the hub's own, or the kernel would not send from it.
 */
function routing(ipv6: boolean): NetlinkMessage[] {
  const families = ipv6 ? [AF_INET, AF_INET6] : [AF_INET];
  const gateways = [GATEWAY.ipv4, ...(ipv6 ? [GATEWAY.ipv6] : [])];
  return [
    linkUp(LOOPBACK),
    ...gateways.map((gateway) => address(LOOPBACK, addressBytes(gateway))),
    ...families.flatMap((family) => [
      rule(family, PRIORITY.marked, TABLE.LOCAL, FROM_CONTAINER),
      rule(family, PRIORITY.main, TABLE.MAIN),
      rule(family, PRIORITY.local, TABLE.LOCAL),
      removeRule(family, 0, TABLE.LOCAL),
      everythingIsLocal(family, LOOPBACK),
    ]),
  ];
}

/** Locally administered; the first byte tells the two ends of a cable apart. */
function mac(first: number, number: number): Buffer {
  return Buffer.from([first, 0x6c, 0x73, 0, number >> 8, number & 0xff]);
}
