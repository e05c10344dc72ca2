import { Hono } from "hono";
import { page } from "../api/envelope.js";
import type { Services } from "../services/services.js";

/** Every Durable Object class of every script. */
export function durableObjects({ store }: Services): Hono {
  return new Hono().get("/workers/durable_objects/namespaces", async (c) => {
    const namespaces = (await store.liveHeads()).flatMap((head) =>
      head.namespaces.map((each) => ({
        id: each.id,
        class: each.className,
        name: `${head.name}_${each.className}`,
        script: head.name,
        use_sqlite: each.sqlite,
      })),
    );
    return page(namespaces, (name) => c.req.query(name));
  });
}
