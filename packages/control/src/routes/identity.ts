import { Hono } from "hono";
import { ok, page } from "../api/envelope.js";
import type { Services } from "../services/services.js";

const USER_ID = "longshore";
/** A reserved domain: this address reaches nobody. */
const USER_EMAIL = "owner@longshore.invalid";

/** Who the token belongs to. */
export function identity({ options }: Services): Hono {
  const account = { id: options.accountId, name: options.accountName, type: "standard" };
  const token = (): Response => ok({ id: USER_ID, status: "active" });
  return new Hono()
    .get("/user/tokens/verify", token)
    .get("/accounts/:account/tokens/verify", token)
    .get("/user", () => ok({ id: USER_ID, email: USER_EMAIL }))
    .get("/accounts", (c) => page([account], (name) => c.req.query(name)))
    .get("/accounts/:account", () => ok(account))
    .get("/memberships", (c) => page([{ id: USER_ID, status: "accepted", account, roles: [] }], (name) => c.req.query(name)))
    .get("/zones", (c) => page([], (name) => c.req.query(name)));
}
