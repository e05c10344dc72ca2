import { BlockList, isIP, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { LongshoreError } from "@longshore/contract";

/** Everything that is not the public Internet (IANA special-purpose registries), by family. */
const NOT_PUBLIC_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32", // Azure's service for its machines, under an address like any other
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];
/** All that is assigned to the public Internet; parts of it carry IPv4 or documentation inside. */
const PUBLIC_IPV6 = ["2000::/3"];
const NOT_PUBLIC_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];
const OWN_ADDRESSES_MS = 5_000;

/**
 * Where the engine dials for a container: the public Internet, and what the operator allows besides. Never a private range, a metadata
 * service, this machine itself, or another container.
 */
export class EgressPolicy {
  readonly #allowed: BlockList;
  readonly #notPublic = blockList([...NOT_PUBLIC_IPV4, ...NOT_PUBLIC_IPV6]);
  readonly #public6 = blockList(PUBLIC_IPV6);
  #own = new Set<string>();
  #ownUntil = 0;

  /** `allow`: addresses and networks (CIDR) that may be reached although they are not public. Errors: `INVALID_INPUT` for what is neither. */
  constructor(allow: readonly string[] = []) {
    this.#allowed = blockList(allow);
  }

  permits(address: string): boolean {
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    // Addresses with an IPv4 one inside are never meant for IPv6: nothing is lost by refusing them.
    if (isIP(address) === 0 || /^::(ffff:)?\d+\.\d+\.\d+\.\d+$/i.test(address)) return false;
    if (this.#allowed.check(address, family)) return true;
    if (this.#notPublic.check(address, family)) return false;
    if (family === "ipv6" && !this.#public6.check(address, "ipv6")) return false;
    return !this.#ownAddresses().has(address);
  }

  /** This machine's addresses change rarely, and asking for them is not free. */
  #ownAddresses(): ReadonlySet<string> {
    const now = Date.now();
    if (now < this.#ownUntil) return this.#own;
    this.#own = new Set(Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address)));
    this.#ownUntil = now + OWN_ADDRESSES_MS;
    return this.#own;
  }
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const version = isIP(address);
    const prefix = bits === undefined ? (version === 4 ? 32 : 128) : Number(bits);
    if (version === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > (version === 4 ? 32 : 128)) {
      throw new LongshoreError("INVALID_INPUT", `"${network}" is neither an IP address nor a network.`, {
        hint: "Write it as 10.1.2.3, 10.1.0.0/16 or fd00::/8.",
      });
    }
    list.addSubnet(address, prefix, version === 4 ? "ipv4" : "ipv6");
  }
  return list;
}
