import type { ScopeAccess, ScopeArea } from "@longshore/contract";

/** What a route asks of a token: a scope, or only that it is one of this installation's. */
export type RouteNeed = "any" | { readonly area: ScopeArea; readonly access: ScopeAccess };

/** What everybody may ask who has a token: whose it is. */
const ANYBODY: ReadonlySet<string> = new Set([
  "GET /user/tokens/verify",
  "GET /accounts/:account/tokens/verify",
  "GET /user",
  "GET /accounts",
  "GET /accounts/:account",
  "GET /memberships",
]);

/** Routes by what their patterns begin with, `/accounts/:account` left out; the longest entry counts. */
const GROUPS: Readonly<Record<string, ScopeArea>> = {
  "/tokens": "tokens",
  "/zones": "workers",
  "/graphql": "workers",
  "/workers": "workers",
  "/workers/scripts/:script/tails": "tail",
  "/containers": "containers",
  "/containers/registries": "registry",
  "/storage/kv": "kv",
  "/d1": "d1",
  "/r2": "r2",
  "/r2-catalog": "r2",
  "/event_notifications/r2": "r2",
  "/queues": "queues",
  "/event_subscriptions": "queues",
  "/secrets_store": "secrets-store",
};

/** Where the method does not tell whether something changes. */
const ACCESS: Readonly<Record<string, ScopeAccess>> = {
  "POST /graphql": "read",
  "POST /workers/scripts/:script/tails": "read",
  "DELETE /workers/scripts/:script/tails/:tail": "read",
  "POST /storage/kv/namespaces/:namespace/bulk/get": "read",
  "POST /d1/database/:database/export": "read",
  // A shell in a container can change all that is in it.
  "GET /containers/instances/:id/ssh": "write",
  // Asking for the right to push is checked where the request's body is known.
  "POST /containers/registries/:domain/credentials": "read",
};

const READING: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** What a route asks for, by its method and its pattern below `/client/v4`; `undefined` when the table has no entry for it. */
export function needOf(method: string, pattern: string): RouteNeed | undefined {
  if (ANYBODY.has(`${method} ${pattern}`)) return "any";
  const route = pattern.replace(/^\/accounts\/:account(?=\/)/, "");
  const group = Object.keys(GROUPS)
    .filter((prefix) => route === prefix || route.startsWith(`${prefix}/`))
    .sort((a, b) => b.length - a.length)[0];
  const area = group === undefined ? undefined : GROUPS[group];
  return area === undefined ? undefined : { area, access: ACCESS[`${method} ${route}`] ?? (READING.has(method) ? "read" : "write") };
}
