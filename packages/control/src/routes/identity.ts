import { type Context, Hono } from "hono";
import { ok, page } from "../api/envelope.js";
import type { Services } from "../services/services.js";

const USER_ID = "longshore";

/** Who the token belongs to, and what it may do. */
export function identity({ options }: Services): Hono {
  const account = { id: options.accountId, name: options.accountName, type: "standard" };
  const token = (c: Context): Response => {
    const { tokenId, tokenName, scopes, expiresAt } = c.get("caller");
    const expiry = expiresAt === undefined ? {} : { expires_on: new Date(expiresAt).toISOString() };
    return ok({ id: tokenId, status: "active", name: tokenName, scopes, ...expiry });
  };
  return new Hono()
    .get("/user/tokens/verify", token)
    .get("/accounts/:account/tokens/verify", token)
    .get("/user", (c) => ok({ id: USER_ID, email: addressOf(c.get("caller").tokenName) }))
    .get("/accounts", (c) => page([account], (name) => c.req.query(name)))
    .get("/accounts/:account", () => ok(account))
    .get("/memberships", (c) => {
      const membership = { id: USER_ID, status: "accepted", account, roles: c.get("caller").scopes };
      return page([membership], (name) => c.req.query(name));
    });
}

/** Clients show an address of whoever a token belongs to: the token's name, at a reserved domain, where it reaches nobody. */
function addressOf(tokenName: string): string {
  return `${tokenName.replace(/[^A-Za-z0-9._-]+/g, "-")}@longshore.invalid`;
}
