import { GATEWAY } from "./place.js";

/** The mark of packets that came from a container: they are delivered here, whatever their destination. */
export const FROM_CONTAINER = 1;
/** The listeners' port in the hub. No container can name it: what it sends is directed by the rules, never by a port. */
export const TRANSPARENT_PORT = 1;
export const DNS_PORT = 53;
/** Where queries to other resolvers than the containers' own arrive. The kernel remembers each one of them, to answer in that resolver's name. */
export const OTHER_DNS_PORT = 1053;

/**
 * The hub's packet filter (nft(8)). A packet from a container must carry the one source address that is routed to the cable it came from; TCP goes to
 * the transparent listener, DNS to the resolver; other UDP is refused so that programs fall back at once; everything else is dropped. Nothing
 * is ever forwarded. Queries to the gateway, which is what `/etc/resolv.conf` names, are not tracked: a container that fills the kernel's table with
 * queries to other resolvers loses those, and takes nothing from the others' names.
 */
export function hubRules(withIpv6: boolean): string {
  const six = (line: string) => (withIpv6 ? [line] : []);
  return `table inet longshore {
  chain authentic {
    type filter hook prerouting priority -300; policy accept;
    iifname "lo" accept
    fib saddr . iif oif 0 drop
    meta l4proto tcp notrack
    ip daddr ${GATEWAY.ipv4} notrack
  }
  chain untracked {
    type filter hook output priority -300; policy accept;
    meta l4proto tcp notrack
    ip saddr ${GATEWAY.ipv4} udp sport ${DNS_PORT} notrack
  }
  chain divert {
    type filter hook prerouting priority -150; policy accept;
    iifname "lo" accept
    meta mark set ${FROM_CONTAINER}
    meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:${TRANSPARENT_PORT} accept
${six(`    meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:${TRANSPARENT_PORT} accept`).join("\n")}
  }
  chain resolver {
    type nat hook prerouting priority -100; policy accept;
    iifname "lo" accept
    meta nfproto ipv4 udp dport ${DNS_PORT} dnat ip to ${GATEWAY.ipv4}:${OTHER_DNS_PORT}
${six(`    meta nfproto ipv6 udp dport ${DNS_PORT} dnat ip6 to [${GATEWAY.ipv6}]:${OTHER_DNS_PORT}`).join("\n")}
  }
  chain arrive {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    meta l4proto tcp accept
    ip daddr ${GATEWAY.ipv4} udp dport ${DNS_PORT} accept
    udp dport ${OTHER_DNS_PORT} ct status dnat accept
    meta l4proto udp reject
  }
  chain never {
    type filter hook forward priority 0; policy drop;
  }
}
`;
}
