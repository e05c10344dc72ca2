import { Hono } from "hono";
import { page } from "../api/envelope.js";
import type { Services } from "../services/services.js";

/** Storage is not served yet; clients still list it, to clean up after a Worker that they delete. */
export function storage(_services: Services): Hono {
  return new Hono().get("/storage/kv/namespaces", (c) => page([], (name) => c.req.query(name)));
}
