import { type PublishedScript, parseRoutePattern, type RoutePattern } from "@longshore/contract";
import { scriptOfHost } from "./route.js";

/** Where a request goes. `closed`: the host is that Worker's own, which its owner has switched off. */
export type Destination = { readonly script: string } | { readonly closed: string } | undefined;

interface Rule extends RoutePattern {
  readonly script: string;
}

/**
 * Which script an address belongs to. The host decides first: a whole host name before a wildcard, a longer wildcard before a shorter one. Then the path: a longer one before a shorter
 * one; a custom domain is all paths of its host. What matches nothing may be `<script>.<domain>`.
 */
export class RouteTable {
  readonly #domain: string;
  readonly #closed: ReadonlySet<string>;
  readonly #hosts: ReadonlyMap<string, readonly Rule[]>;
  /** The rules whose host begins with a wildcard, the most specific first. */
  readonly #wild: readonly Rule[];

  constructor(domain: string, scripts: readonly PublishedScript[]) {
    this.#domain = domain;
    this.#closed = new Set(scripts.filter(({ enabled }) => !enabled).map(({ name }) => name));
    const rules = scripts.flatMap(rulesOf).sort(bySpecificity);
    this.#wild = rules.filter(({ before }) => before !== "nothing");
    const hosts = new Map<string, Rule[]>();
    for (const rule of rules) if (rule.before === "nothing") hosts.set(rule.host, [...(hosts.get(rule.host) ?? []), rule]);
    this.#hosts = hosts;
  }

  /** `path` with its query, `host` in lower case. */
  find(scheme: "http" | "https", host: string, path: string): Destination {
    const exact = this.#hosts.get(host);
    const found =
      (exact === undefined ? undefined : firstOf(exact, scheme, path)) ?? firstOf(this.#wild.filter(reachesHost(host)), scheme, path);
    if (found !== undefined) return { script: found.script };
    const script = scriptOfHost(host, this.#domain);
    if (script === undefined) return undefined;
    return this.#closed.has(script) ? { closed: script } : { script };
  }
}

function rulesOf({ name, domains, routes }: PublishedScript): Rule[] {
  const own = domains.map((host): Rule => ({ script: name, scheme: undefined, host, before: "nothing", path: "/", open: true }));
  // One that an older or newer Longshore stored and this one cannot read serves nothing.
  const patterns = routes.map(parseRoutePattern).filter((each) => each !== undefined);
  return [...own, ...patterns.map((each): Rule => ({ script: name, ...each }))];
}

const BEFORE = { nothing: 0, labels: 1, anything: 2 } as const;

/** Stable, so that a custom domain stays before a route that matches the same. */
function bySpecificity(a: Rule, b: Rule): number {
  return (
    b.host.length - a.host.length ||
    BEFORE[a.before] - BEFORE[b.before] ||
    b.path.length - a.path.length ||
    Number(a.open) - Number(b.open) ||
    Number(a.scheme === undefined) - Number(b.scheme === undefined)
  );
}

function reachesHost(host: string): (rule: Rule) => boolean {
  return (rule) => (rule.before === "labels" ? host.endsWith(`.${rule.host}`) : host.endsWith(rule.host));
}

function firstOf(rules: readonly Rule[], scheme: "http" | "https", target: string): Rule | undefined {
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  return rules.find((rule) => (rule.scheme ?? scheme) === scheme && (rule.open ? path.startsWith(rule.path) : path === rule.path));
}
