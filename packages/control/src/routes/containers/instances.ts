import { Hono } from "hono";
import { ok } from "../../api/envelope.js";
import type { Services } from "../../services/services.js";

/** One running instance. */
export function instances({ shells }: Services): Hono {
  return new Hono().get("/instances/:id/ssh", async (c) => {
    const { instance, token } = await shells.begin(c.req.param("id"), c.get("caller"));
    // At the address by which the client reached the API.
    const url = new URL(`/ssh/${instance}`, c.req.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return ok({ url: url.href, token });
  });
}
