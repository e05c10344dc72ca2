import { Hono } from "hono";
import type { Services } from "../services/services.js";

/** Cloudflare's numbers about the past day. Nothing is counted here, and a client that asks (as `wrangler d1 info` does) is told so. */
export function analytics(_services: Services): Hono {
  return new Hono().post("/graphql", () => Response.json({ data: null, errors: [{ message: "Longshore keeps no analytics." }] }));
}
