import { isHostName, LongshoreError, parseRoutePattern } from "@longshore/contract";
import { sha256 } from "./ids.js";
import type { CustomDomain, ScriptHead } from "./script-head.js";

/** Clients ask for the zone of a host name before they use it. Here every host name may be used, so each is answered with a zone of its name. */
export function zoneView(name: string, accountId: string): Record<string, unknown> {
  return { id: zoneId(name), name, status: "active", paused: false, type: "full", account: { id: accountId } };
}

export function zoneId(name: string): string {
  return sha256(`zone ${name}`).slice(0, 32);
}

/** A custom domain's id: the same as long as the host name is. */
export function domainId(hostname: string): string {
  return sha256(`domain ${hostname}`).slice(0, 32);
}

export function domainView(service: string, domain: CustomDomain): Record<string, unknown> {
  const { hostname, enabled, previewsEnabled } = domain;
  const zone_name = domain.zoneName ?? hostname;
  return {
    id: domainId(hostname),
    hostname,
    service,
    environment: "production",
    zone_id: domain.zoneId ?? zoneId(zone_name),
    zone_name,
    enabled,
    previews_enabled: previewsEnabled,
  };
}

export function routeView(script: string, pattern: string): Record<string, unknown> {
  return { id: sha256(`route ${pattern}`).slice(0, 32), pattern, script };
}

/** Errors: `INVALID_INPUT` for what is no host name, or is named twice. */
export function checkDomains(domains: readonly CustomDomain[]): void {
  const seen = new Set<string>();
  for (const { hostname } of domains) {
    if (!isHostName(hostname)) {
      throw new LongshoreError("INVALID_INPUT", `"${hostname}" cannot be a custom domain.`, {
        hint: "Use a host name such as shop.example.com, without wildcard, port or path; patterns are for routes.",
      });
    }
    if (seen.has(hostname)) throw new LongshoreError("INVALID_INPUT", `The custom domain ${hostname} is named twice.`);
    seen.add(hostname);
  }
}

/** Errors: `INVALID_INPUT` naming the pattern. */
export function checkRoutes(patterns: readonly string[]): void {
  for (const pattern of patterns) {
    if (parseRoutePattern(pattern) !== undefined) continue;
    throw new LongshoreError("INVALID_INPUT", `"${pattern}" cannot be a route.`, {
      hint: "Use a pattern such as example.com/api/* or *.example.com/*: a wildcard may only begin the host and end the path, and there is no query.",
    });
  }
}

/** What another script has of `wanted`; the first one found. */
export function takenDomain(heads: readonly ScriptHead[], script: string, wanted: readonly string[]): [string, string] | undefined {
  return taken(heads, script, wanted, (head) => (head.domains ?? []).map(({ hostname }) => hostname));
}

/** As {@link takenDomain}. Patterns that only mean the same are not the same: the more specific one is served. */
export function takenRoute(heads: readonly ScriptHead[], script: string, wanted: readonly string[]): [string, string] | undefined {
  return taken(heads, script, wanted, (head) => head.routes ?? []);
}

function taken(
  heads: readonly ScriptHead[],
  script: string,
  wanted: readonly string[],
  of: (head: ScriptHead) => readonly string[],
): [string, string] | undefined {
  for (const head of heads) {
    const both = head.name === script ? undefined : of(head).find((each) => wanted.includes(each));
    if (both !== undefined) return [both, head.name];
  }
  return undefined;
}
