// Requests made from the API's own table of routes: a new route is among them without being named here.
import { damagedBytes, damagedJson, type RawRequest } from "@longshore/contract/testing";
import type { Draft } from "./drafts.js";
import { FOREIGN_ACCOUNT, type Target } from "./world.js";

export interface Route {
  readonly method: string;
  readonly path: string;
}

const BASE = "/client/v4";

/** The request of a draft, for one account. */
export async function requestOf(draft: Draft, routes: readonly Route[], target: Target): Promise<RawRequest> {
  const route = routes[draft.route % routes.length] ?? { method: "GET", path: BASE };
  const method = draft.method ?? (route.method === "ALL" ? "GET" : route.method);
  // What was right for this route once, for its parameters; for its body if it was sent with this method.
  const found = examplesOf(route, target);
  const example = found[draft.body.pick % Math.max(1, found.length)];
  let index = 0;
  const path = route.path.replaceAll(PARAMETER, (_whole, name: string) => {
    // Else a value that a parameter of this name has in another route.
    const known =
      example?.values.get(name) ??
      routes
        .flatMap((other) => examplesOf(other, target))
        .find(({ values }) => values.has(name))
        ?.values.get(name);
    return parameter(draft, target, name, known, index++);
  });
  const query = draft.query.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&");
  const right = found.filter(({ sent, body }) => sent === method && body !== undefined);
  const pool = right.length > 0 ? right : target.recorded.filter(({ body }) => body !== undefined);
  const { type, bytes } = await bodyOf(pool[draft.body.pick % pool.length]?.body, draft);
  const token = target.tokens[draft.caller];
  const hasBody = method !== "GET" && method !== "HEAD";
  return {
    method,
    path: query === "" ? path : `${path}?${query}`,
    headers: {
      ...Object.fromEntries(Object.entries(draft.headers).map(([name, value]) => [name, headerValue(value)])),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(hasBody && type !== "" ? { "content-type": type } : {}),
    },
    body: hasBody ? bytes : undefined,
  };
}

interface Example {
  readonly sent: string;
  readonly body: unknown;
  readonly values: ReadonlyMap<string, string>;
}

const examples = new WeakMap<Target, Map<string, Example[]>>();

/** What was sent to a route when the target was made, by any method. */
function examplesOf(route: Route, target: Target): readonly Example[] {
  const known = examples.get(target) ?? new Map<string, Example[]>();
  examples.set(target, known);
  const found = known.get(route.path) ?? recordedFor(route, target);
  known.set(route.path, found);
  return found;
}

function recordedFor(route: Route, target: Target): Example[] {
  const names = [...route.path.matchAll(PARAMETER)].map(([, name = ""]) => name);
  const expression = new RegExp(`^${route.path.replaceAll(PARAMETER, "([^/?]+)")}(?:\\?|$)`);
  return target.recorded.flatMap(({ method: sent, path, body }) => {
    const match = expression.exec(path.startsWith("/") ? BASE + path : `${BASE}/accounts/${target.account}/${path}`);
    return match === null ? [] : [{ sent, body, values: new Map(names.map((name, at) => [name, match[at + 1] ?? ""])) }];
  });
}

const PARAMETER = /:([A-Za-z]+)(?:\{[^}]+\})?/g;

function parameter(draft: Draft, target: Target, name: string, example: string | undefined, index: number): string {
  const { known, odd } = draft.parameters[index] ?? { known: 0, odd: undefined };
  if (odd !== undefined) return name === "account" && known % 2 === 0 ? FOREIGN_ACCOUNT : encoded(odd);
  if (name === "account") return target.account;
  if (example !== undefined) return example;
  // Any part of any path that there is: often the right kind of id, of another thing.
  const parts = target.recorded.flatMap(({ path }) => (path.split("?")[0] ?? "").split("/"));
  return parts[known % parts.length] ?? "x";
}

async function bodyOf(
  value: unknown,
  { body: { edits: changes, damages: damage, type } }: Draft,
): Promise<{ type: string; bytes: Buffer }> {
  if (value instanceof FormData) {
    const form = new FormData();
    for (const [name, part] of value) {
      if (typeof part === "string") form.set(name, name === "metadata" ? damagedJson(JSON.parse(part), changes) : part);
      else form.set(name, part);
    }
    const sent = new Response(form);
    return { type: type ?? sent.headers.get("content-type") ?? "", bytes: damagedBytes(Buffer.from(await sent.arrayBuffer()), damage) };
  }
  const text = typeof value === "string" ? value : damagedJson(value, changes);
  return { type: type ?? (typeof value === "string" ? "" : "application/json"), bytes: damagedBytes(Buffer.from(text), damage) };
}

/** In a path or a query, as clients do it; what cannot be encoded is sent as it is, where a path can hold it. */
function encoded(text: string): string {
  if (/^[%.]/.test(text)) return text.replace(/[^\x21-\x7e]/g, "");
  return encodeURIComponent(Buffer.from(text).toString());
}

function headerValue(text: string): string {
  return text.replace(/[^\t\x20-\x7e]/g, "?");
}
