/** An IP address as a number, with the count of bits of its family. */
interface Address {
  readonly value: bigint;
  readonly bits: 32 | 128;
}

const MAPPED_IPV4_PREFIX = 0xffffn;
/** A host with one of the two ports that are intercepted, which says nothing. */
const WITH_PORT = /^([^:]+|\[.*\]):(?:80|443)$/;

/**
 * The form in which hosts are compared: lower case, punycode, without dots at the end and without the brackets of an IPv6 address. What no URL
 * could have as its host (a glob, a network) is only lowered.
 */
export function canonicalHost(host: string): string {
  const plain = host.trim().replace(WITH_PORT, "$1").replace(/\.+$/, "").toLowerCase();
  if (plain.includes("*") || plain.includes("/")) return plain;
  const hostname = hostnameOf(plain) ?? hostnameOf(`[${plain}]`) ?? plain;
  return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.+$/, "");
}

/**
 * True if `host` is what the pattern names (both canonical): the host itself, a glob in which `*` stands for any characters, an IP address, or a
 * network as `10.0.0.0/8`. A name is never resolved: a network matches only hosts that are given as an address.
 */
export function matchesHost(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  if (pattern.includes("*")) return matchesGlob(pattern, host);
  return pattern.includes("/") && isInNetwork(pattern, host);
}

/** The value for `host`: of the entry that names it exactly, else of the first whose pattern matches. */
export function findByHost<T>(entries: ReadonlyArray<readonly [string, T]>, host: string): T | undefined {
  const exact = entries.find(([pattern]) => pattern === host);
  return (exact ?? entries.find(([pattern]) => matchesHost(pattern, host)))?.[1];
}

function hostnameOf(text: string): string | undefined {
  const url = `http://${text}/`;
  // What the URL would take for a user, a port or a path is no host.
  return /[@?#\\]|:\d*$/.test(text) || !URL.canParse(url) ? undefined : new URL(url).hostname;
}

/** In time linear in the text for each part of the pattern, whatever the pattern. */
function matchesGlob(pattern: string, text: string): boolean {
  const parts = pattern.split("*");
  const first = parts.shift() ?? "";
  const last = parts.pop() ?? "";
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, from);
    if (found < 0) return false;
    from = found + part.length;
  }
  return from <= text.length - last.length;
}

function isInNetwork(network: string, host: string): boolean {
  const [base = "", length = ""] = network.split("/");
  const [of, address] = [parseAddress(base), parseAddress(host)];
  if (of === undefined || address === undefined || of.bits !== address.bits || !/^\d{1,3}$/.test(length)) return false;
  const hostBits = of.bits - Number(length);
  return hostBits >= 0 && of.value >> BigInt(hostBits) === address.value >> BigInt(hostBits);
}

/** Reads an address as a URL writes it; an IPv4 address inside an IPv6 one is taken for what it is. */
function parseAddress(host: string): Address | undefined {
  const text = canonicalHost(host);
  if (/^\d+(\.\d+){3}$/.test(text)) return { value: joined(text.split("."), 8n, 10), bits: 32 };
  if (!text.includes(":")) return undefined;
  const [before = "", after] = text.split("::");
  const groups = (part: string) => part.split(":").filter((group) => group !== "");
  const [head, tail] = [groups(before), groups(after ?? "")];
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  const all = [...head, ...Array<string>(Math.max(0, zeros)).fill("0"), ...tail];
  if (all.length !== 8 || !all.every((group) => /^[\da-f]{1,4}$/.test(group))) return undefined;
  const value = joined(all, 16n, 16);
  return value >> 32n === MAPPED_IPV4_PREFIX ? { value: value & 0xffff_ffffn, bits: 32 } : { value, bits: 128 };
}

function joined(groups: readonly string[], bits: bigint, radix: number): bigint {
  return groups.reduce((value, group) => (value << bits) | BigInt(Number.parseInt(group, radix)), 0n);
}
