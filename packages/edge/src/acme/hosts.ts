import { isHostName, type PublishedScript, parseRoutePattern } from "@longshore/contract";

/**
 * The host names that need a certificate: custom domains, whole hosts of routes, and Workers' own names. A certificate authority that asks by HTTP
 * certifies no wildcard, and none certifies names of one label or below `localhost`.
 */
export function certifiableHosts(scripts: readonly PublishedScript[], domain: string): string[] {
  const hosts = scripts.flatMap(({ name, enabled, domains, routes }) => [
    ...domains,
    ...routes.map(parseRoutePattern).flatMap((pattern) => (pattern?.before === "nothing" ? [pattern.host] : [])),
    ...(enabled ? [`${name}.${domain}`] : []),
  ]);
  // In a certificate's name an underscore is not allowed.
  return [...new Set(hosts)].filter((host) => isHostName(host) && /^[^_]+\.[^_]+$/.test(host) && !host.endsWith(".localhost"));
}
