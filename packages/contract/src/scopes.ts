import { LongshoreError } from "./errors.js";

/** The parts of the API that a token may be limited to. */
export const SCOPE_AREAS = ["workers", "containers", "registry", "kv", "r2", "d1", "queues", "secrets-store", "tail", "tokens"] as const;
export type ScopeArea = (typeof SCOPE_AREAS)[number];
/** `write` includes `read`. */
export type ScopeAccess = "read" | "write";
/** What a token may do, such as `kv:read`. `all` stands for every area. */
export type Scope = `${ScopeArea | "all"}:${ScopeAccess}`;

const SCOPE = new RegExp(`^(?:${[...SCOPE_AREAS, "all"].join("|")}):(?:read|write)$`);

/** Names for several scopes at once. */
const BUNDLES: Readonly<Record<string, readonly Scope[]>> = {
  all: ["all:write"],
  read: ["all:read"],
  /** What `wrangler deploy` asks for, whatever the Worker is bound to. */
  deploy: ["workers:write", "containers:write", "registry:write", "kv:read", "r2:read", "d1:read", "queues:read", "secrets-store:read"],
};

/** True when one of the scopes covers it. */
export function allows(scopes: readonly Scope[], area: ScopeArea, access: ScopeAccess): boolean {
  return scopes.some((scope) => {
    const [covered, most] = scope.split(":");
    return (covered === "all" || covered === area) && (most === "write" || access === "read");
  });
}

/** True when all that `wanted` allows is allowed by `scopes`, too. */
export function includesScopes(scopes: readonly Scope[], wanted: readonly Scope[]): boolean {
  return wanted.every((scope) => {
    const [area, access] = scope.split(":") as [ScopeArea | "all", ScopeAccess];
    return (area === "all" ? SCOPE_AREAS : [area]).every((each) => allows(scopes, each, access));
  });
}

/** Scopes from their names and the names of bundles; each once, in the order given. Errors: `INVALID_INPUT` naming the one that is not known. */
export function parseScopes(words: readonly string[]): Scope[] {
  const scopes = words.flatMap((word) => {
    if (Object.hasOwn(BUNDLES, word)) return BUNDLES[word] ?? [];
    if (SCOPE.test(word)) return [word as Scope];
    throw new LongshoreError("INVALID_INPUT", `${JSON.stringify(word)} is not a scope.`, {
      hint: `Use <area>:read or <area>:write with one of ${SCOPE_AREAS.join(", ")}; or ${Object.keys(BUNDLES).join(", ")}.`,
    });
  });
  if (scopes.length === 0) throw new LongshoreError("INVALID_INPUT", "A token needs at least one scope.");
  return [...new Set(scopes)];
}
