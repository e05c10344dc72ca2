import { Hono } from "hono";
import { notServed } from "../../api/errors.js";
import type { Services } from "../../services/services.js";

/** One running instance. */
export function instances(_services: Services): Hono {
  return new Hono().get("/instances/:id/ssh", () => {
    throw notServed("SSH into an instance");
  });
}
