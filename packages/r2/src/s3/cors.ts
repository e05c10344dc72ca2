import type { IncomingMessage, ServerResponse } from "node:http";
import type { CorsRule } from "@longshore/contract";
import { R2Error } from "../errors.js";
import { answer } from "../http/body.js";

/** What a browser asks with before it lets a page send a request that is not simple. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined;
}

/** Answers a preflight. Errors: `AccessDenied` where no rule allows the request. */
export function answerPreflight(rules: readonly CorsRule[], request: IncomingMessage, response: ServerResponse): void {
  const { origin = "" } = request.headers;
  const method = String(request.headers["access-control-request-method"] ?? "");
  const asked = String(request.headers["access-control-request-headers"] ?? "");
  const names = asked.split(",").flatMap((name) => name.trim().toLowerCase() || []);
  const rule = rules.find((each) => allows(each, origin, method) && names.every((name) => allowsHeader(each, name)));
  if (rule === undefined) {
    throw new R2Error("AccessDenied", "CORSResponse: This CORS request is not allowed.", {
      hint: "A rule must have its origin, its method and each of its headers: `wrangler r2 bucket cors set`.",
    });
  }
  answer(request, response, 200, {
    ...originHeaders(rule, origin),
    "access-control-allow-methods": rule.allowed.methods.join(", "),
    ...(names.length === 0 ? {} : { "access-control-allow-headers": names.join(", ") }),
    ...(rule.maxAgeSeconds === undefined ? {} : { "access-control-max-age": rule.maxAgeSeconds }),
    vary: "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
  });
}

/** Has the answer, whatever it becomes, say that the page may read it, where a rule allows the request. */
export function allowReading(rules: readonly CorsRule[], { headers, method = "" }: IncomingMessage, response: ServerResponse): void {
  const { origin } = headers;
  const rule = origin === undefined ? undefined : rules.find((each) => allows(each, origin, method));
  if (origin === undefined || rule === undefined) return;
  const exposed = (rule.exposeHeaders ?? []).join(", ");
  const all = { ...originHeaders(rule, origin), ...(exposed === "" ? {} : { "access-control-expose-headers": exposed }), vary: "Origin" };
  for (const [name, value] of Object.entries(all)) response.setHeader(name, value);
}

function originHeaders({ allowed }: CorsRule, origin: string): Record<string, string> {
  return { "access-control-allow-origin": allowed.origins.includes("*") ? "*" : origin };
}

function allows({ allowed }: CorsRule, origin: string, method: string): boolean {
  return allowed.methods.includes(method) && allowed.origins.some((pattern) => matches(pattern, origin));
}

function allowsHeader({ allowed }: CorsRule, name: string): boolean {
  return (allowed.headers ?? []).some((pattern) => matches(pattern.toLowerCase(), name));
}

/** One `*` stands for any characters. */
function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern === text;
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
}
