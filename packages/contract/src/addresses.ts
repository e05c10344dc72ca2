/** Where a script is served. `control` keeps it, the edge follows it. */
export interface PublishedScript {
  readonly name: string;
  /** False when its owner has switched the Worker's own host name off (`workers_dev: false`). */
  readonly enabled: boolean;
  /** Host names that are this script's alone, lower case. */
  readonly domains: readonly string[];
  /** Patterns that `parseRoutePattern` understands. */
  readonly routes: readonly string[];
}

/** Told of each change of where scripts are served; gets all of them each time. Must not throw. */
export type Publish = (scripts: readonly PublishedScript[]) => void;

/** A route of a Worker, such as `example.com/api/*`, `*.example.com/*` or `https://example.com/`. */
export interface RoutePattern {
  /** Undefined: both. */
  readonly scheme: "http" | "https" | undefined;
  /** Lower case. With `before` it is what a host ends with, and may be empty. */
  readonly host: string;
  /** What may stand before `host`: nothing, at least one label (`*.`), or anything (`*`). */
  readonly before: "nothing" | "labels" | "anything";
  /** Begins with a slash. */
  readonly path: string;
  /** More may follow after `path`. */
  readonly open: boolean;
}

const MAX_PATTERN_LENGTH = 2048;

/** Reads a route's pattern. Undefined when it is none: a wildcard may only begin the host and end the path, and there is no query. */
export function parseRoutePattern(text: string): RoutePattern | undefined {
  if (text.length > MAX_PATTERN_LENGTH) return undefined;
  const [, scheme, wildcard = "", name = "", rest = ""] = /^(?:(https?):\/\/)?(\*\.|\*)?([^/*?#:@\s]*)(\/[^?#\s]*)?$/i.exec(text) ?? [];
  const host = name.toLowerCase();
  if (wildcard === "*" ? !/^[a-z0-9.-]*$/.test(host) : !isHostName(host)) return undefined;
  const open = rest.endsWith("*");
  const path = open ? rest.slice(0, -1) : rest;
  if (path.includes("*")) return undefined;
  return {
    scheme: scheme === undefined ? undefined : scheme.toLowerCase() === "https" ? "https" : "http",
    host,
    before: wildcard === "" ? "nothing" : wildcard === "*." ? "labels" : "anything",
    path: path === "" ? "/" : path,
    open,
  };
}

/** Whether `text` is a host name that a certificate or a route can be for: lower case labels, no port, no wildcard, no IP address. */
export function isHostName(text: string): boolean {
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false;
  return text.split(".").every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
}
