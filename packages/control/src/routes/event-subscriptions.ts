import { Hono } from "hono";
import { page } from "../api/envelope.js";
import { notServed } from "../api/errors.js";

const PATH = "/event_subscriptions/subscriptions";

/** Queues that get the events of Cloudflare's products: there are none. */
export function eventSubscriptions(): Hono {
  const refuse = (): never => {
    throw notServed("An event subscription of a queue", "Send to the queue from the Worker where it happens.");
  };
  return new Hono()
    .get(PATH, (c) => page([], (name) => c.req.query(name)))
    .post(PATH, refuse)
    .on(["GET", "PATCH", "DELETE"], `${PATH}/:subscription`, refuse);
}
