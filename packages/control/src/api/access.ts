import { allows, LongshoreError } from "@longshore/contract";
import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { ControlOptions, Identity } from "../options.js";
import { API_CODE, ApiError } from "./errors.js";
import { needOf, type RouteNeed } from "./scope-table.js";

declare module "hono" {
  interface ContextVariableMap {
    /** Whose token the request carries. */
    caller: Identity;
  }
}

/** Lets a request pass whose token is known, is of the account that the path names, and has the scope that the route asks for. */
export function authenticated({ tokens, accountId }: ControlOptions, base: string): MiddlewareHandler {
  return async (c, next) => {
    const token = /^Bearer\s+(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    const caller = token === undefined ? undefined : await tokens.authenticate(token);
    if (caller?.accountId !== accountId) {
      const what =
        token === undefined ? "The request carries no API token." : "The API token is not known here, was revoked, or has expired.";
      throw new ApiError("UNAUTHORIZED", API_CODE.TOKEN_INVALID, what, {
        hint: 'Set CLOUDFLARE_API_TOKEN to a token of this Longshore installation; "longshore env" prints it.',
      });
    }
    const asked = /^\/client\/v4\/accounts\/([^/]+)/.exec(c.req.path)?.[1];
    if (asked !== undefined && asked !== accountId) {
      throw new ApiError("FORBIDDEN", API_CODE.NOT_ALLOWED, `The API token is not for account ${asked}.`, {
        hint: `Set CLOUDFLARE_ACCOUNT_ID (or account_id in the configuration file) to ${accountId}, this installation's account.`,
      });
    }
    for (const { method, path } of routesOf(c)) assertAllowed(caller, needOf(method, path.slice(base.length)));
    c.set("caller", caller);
    await next();
  };
}

/** The routes that the request leads to, by their patterns; middleware is none. */
function routesOf(c: Context): { method: string; path: string }[] {
  return matchedRoutes(c).filter(({ method, path }) => method !== "ALL" || !path.endsWith("/*"));
}

/** Errors: `FORBIDDEN` naming the scope that the token lacks. Without a need nobody is let in: somebody forgot to say what the route asks for. */
export function assertAllowed({ tokenName, scopes }: Identity, need: RouteNeed | undefined): void {
  if (need === "any") return;
  if (need === undefined) throw new LongshoreError("FORBIDDEN", "Longshore does not say yet which scope this route asks for.");
  if (allows(scopes, need.area, need.access)) return;
  const scope = `${need.area}:${need.access}`;
  throw new ApiError(
    "FORBIDDEN",
    API_CODE.NOT_ALLOWED,
    `The API token "${tokenName}" lacks the scope ${scope}; it has ${scopes.join(", ")}.`,
    {
      hint: `Make one that has it: longshore token create --name <name> --scopes ${scope}`,
      details: { scope },
    },
  );
}
