import { AF_INET, AF_INET6 } from "./libc.js";
import { attribute, type NetlinkMessage, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, u32 } from "./netlink.js";

/** The few requests of rtnetlink(7) that the engine makes, each as a message for {@link Netlink.apply}. */

const RTM = { NEWLINK: 16, DELLINK: 17, NEWADDR: 20, NEWROUTE: 24, NEWNEIGH: 28, NEWRULE: 32, DELRULE: 33 } as const;
const IFLA = { ADDRESS: 1, IFNAME: 3, LINKINFO: 18, NET_NS_PID: 19, AF_SPEC: 26 } as const;
const INFO_KIND = 1;
const INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const INET6_ADDR_GEN_MODE = 8;
const ADDR_GEN_NONE = 1;
const IFF_UP = 1;
const NUD_PERMANENT = 0x80;
const IFA = { ADDRESS: 1, LOCAL: 2 } as const;
const IFA_F_NODAD = 0x02;
const IFA_F_PERMANENT = 0x80;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5 } as const;
const RTPROT_STATIC = 4;
const SCOPE = { UNIVERSE: 0, LINK: 253, HOST: 254 } as const;
const FRA = { PRIORITY: 6, FWMARK: 10, TABLE: 15 } as const;
const FR_ACT_TO_TBL = 1;

export const TABLE = { MAIN: 254, LOCAL: 255 } as const;

/** 4 or 16 bytes, in network order. */
export type AddressBytes = Buffer;

export interface LinkEnd {
  readonly index: number;
  readonly name: string;
  /** Six bytes. */
  readonly mac: Buffer;
}

/** A pair of connected interfaces: one here, its peer in the network namespace of a process. Both are down. */
export function vethPair(here: LinkEnd, peer: LinkEnd, peerPid: number): NetlinkMessage {
  const peerLink = Buffer.concat([linkHeader(peer.index), ...linkAttributes(peer), attribute(IFLA.NET_NS_PID, peerPid)]);
  const info = Buffer.concat([attribute(INFO_KIND, Buffer.from("veth")), attribute(INFO_DATA, attribute(VETH_INFO_PEER, peerLink))]);
  const body = Buffer.concat([linkHeader(here.index), ...linkAttributes(here), attribute(IFLA.LINKINFO, info)]);
  return { type: RTM.NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, body };
}

/** Takes an interface away, and with it the other end of its pair. */
export function removeLink(index: number): NetlinkMessage {
  return { type: RTM.DELLINK, flags: 0, body: linkHeader(index) };
}

/** No IPv6 address that nobody asked for. Before the interface is up. */
export function noAutomaticAddress(index: number): NetlinkMessage {
  const mode = attribute(AF_INET6, attribute(INET6_ADDR_GEN_MODE, Buffer.from([ADDR_GEN_NONE])));
  return { type: RTM.NEWLINK, flags: 0, body: Buffer.concat([linkHeader(index), attribute(IFLA.AF_SPEC, mode)]) };
}

export function linkUp(index: number): NetlinkMessage {
  return { type: RTM.NEWLINK, flags: 0, body: linkHeader(index, IFF_UP) };
}

/** Gives an interface an address of its own, with no network around it. */
export function address(index: number, bytes: AddressBytes): NetlinkMessage {
  const header = Buffer.alloc(8);
  header[0] = familyOf(bytes);
  header[1] = bytes.length * 8;
  header[2] = IFA_F_PERMANENT | (bytes.length === 16 ? IFA_F_NODAD : 0);
  header.writeUInt32LE(index, 4);
  const body = Buffer.concat([header, attribute(IFA.LOCAL, bytes), attribute(IFA.ADDRESS, bytes)]);
  return { type: RTM.NEWADDR, flags: NLM_F_CREATE | NLM_F_REPLACE, body };
}

/** Who is at the other end, so that nobody has to ask: the first packet goes out at once. */
export function neighbour(index: number, bytes: AddressBytes, mac: Buffer): NetlinkMessage {
  const header = Buffer.alloc(12);
  header[0] = familyOf(bytes);
  header.writeInt32LE(index, 4);
  header.writeUInt16LE(NUD_PERMANENT, 8);
  const body = Buffer.concat([header, attribute(1, bytes), attribute(2, mac)]);
  return { type: RTM.NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, body };
}

/** One address is at the other end of an interface. */
export function hostRoute(index: number, bytes: AddressBytes): NetlinkMessage {
  const scope = bytes.length === 4 ? SCOPE.LINK : SCOPE.UNIVERSE;
  return route(routeHeader(familyOf(bytes), bytes.length * 8, TABLE.MAIN, scope, 1), [
    attribute(RTA.DST, bytes),
    attribute(RTA.OIF, index),
  ]);
}

/** Everything else is behind a gateway. */
export function defaultRoute(index: number, gateway: AddressBytes): NetlinkMessage {
  const header = routeHeader(familyOf(gateway), 0, TABLE.MAIN, SCOPE.UNIVERSE, 1);
  return route(header, [attribute(RTA.GATEWAY, gateway), attribute(RTA.OIF, index)]);
}

/** Every address is this namespace's own. */
export function everythingIsLocal(family: number, loopback: number): NetlinkMessage {
  return route(routeHeader(family, 0, TABLE.LOCAL, SCOPE.HOST, 2), [attribute(RTA.OIF, loopback)]);
}

/** Which table is asked when: lower priorities first. With `mark`, only for packets that carry it. */
export function rule(family: number, priority: number, table: number, mark?: number): NetlinkMessage {
  const marked = mark === undefined ? [] : [attribute(FRA.FWMARK, mark)];
  return { type: RTM.NEWRULE, flags: NLM_F_CREATE | NLM_F_EXCL, body: ruleBody(family, priority, table, marked) };
}

export function removeRule(family: number, priority: number, table: number): NetlinkMessage {
  return { type: RTM.DELRULE, flags: 0, body: ruleBody(family, priority, table, []) };
}

function ruleBody(family: number, priority: number, table: number, more: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(12);
  header[0] = family;
  header[4] = table;
  header[7] = FR_ACT_TO_TBL;
  return Buffer.concat([header, attribute(FRA.PRIORITY, priority), attribute(FRA.TABLE, table), ...more]);
}

function route(header: Buffer, attributes: readonly Buffer[]): NetlinkMessage {
  return { type: RTM.NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, body: Buffer.concat([header, ...attributes]) };
}

function routeHeader(family: number, prefixLength: number, table: number, scope: number, type: number): Buffer {
  return Buffer.concat([Buffer.from([family, prefixLength, 0, 0, table, RTPROT_STATIC, scope, type]), u32(0)]);
}

function linkHeader(index: number, flags = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(flags, 12);
  return header;
}

function linkAttributes({ name, mac }: LinkEnd): Buffer[] {
  return [attribute(IFLA.IFNAME, name), attribute(IFLA.ADDRESS, mac)];
}

function familyOf(bytes: AddressBytes): number {
  return bytes.length === 4 ? AF_INET : AF_INET6;
}
