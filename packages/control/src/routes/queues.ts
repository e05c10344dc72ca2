import { LongshoreError } from "@longshore/contract";
import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok, page } from "../api/envelope.js";
import { notServed } from "../api/errors.js";
import { consumerView, queueView, RETENTION_S, type StoredQueue } from "../model/queues.js";
import type { ConsumerRequest } from "../services/queues.js";
import type { Services } from "../services/services.js";

const DAY_S = 86_400;
const WORKER_CONSUMES = "Let a Worker consume the queue.";

const name = z
  .string()
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/, "1 to 63 letters, digits and -, a letter or digit at both ends");
const settings = z.object({
  delivery_delay: z.number().int().min(0).max(DAY_S).nullish(),
  delivery_paused: z.boolean().nullish(),
  message_retention_period: z.number().nullish(),
});
const created = z.object({ queue_name: name, settings: settings.nullish() });
const changed = z.object({ queue_name: name.nullish(), settings: settings.nullish() });
const consumer = z.looseObject({
  type: z.string().nullish(),
  script_name: z.string().nullish(),
  dead_letter_queue: z.string().nullish(),
  settings: z
    .looseObject({
      batch_size: z.number().int().min(1).max(100).nullish(),
      max_retries: z.number().int().min(0).max(100).nullish(),
      max_wait_time_ms: z.number().int().min(0).max(60_000).nullish(),
      max_concurrency: z.number().int().min(1).max(250).nullish(),
      retry_delay: z.number().int().min(0).max(DAY_S).nullish(),
    })
    .nullish(),
});
const purge = z.object({ delete_messages_permanently: z.literal(true) });

/** The account's queues and their consumers. */
export function queues({ queues: service }: Services): Hono {
  const views = async (all: readonly StoredQueue[]) => {
    const producers = await service.producers();
    return all.map((queue) => queueView(queue, producers.get(queue.id) ?? []));
  };
  const view = async (queue: StoredQueue) => (await views([queue]))[0];
  return new Hono()
    .get("/queues", async (c) => {
      const wanted = c.req.queries("name") ?? [];
      const all = (await service.list()).filter((queue) => wanted.length === 0 || wanted.includes(queue.name));
      return page(await views(all), (key) => c.req.query(key));
    })
    .post("/queues", async (c) => {
      const asked = await readJson(c.req.raw, created);
      assertRetention(asked.settings);
      return ok(await view(await service.create(asked.queue_name, asked.settings?.delivery_delay ?? undefined)));
    })
    .get("/queues/:queue", async (c) => ok(await view(await service.get(c.req.param("queue")))))
    .on(["PATCH", "PUT"], "/queues/:queue", async (c) => {
      const { queue_name, settings: said } = await readJson(c.req.raw, changed);
      assertRetention(said);
      const changes = {
        ...(queue_name ? { name: queue_name } : {}),
        ...(typeof said?.delivery_delay === "number" ? { deliveryDelay: said.delivery_delay } : {}),
        ...(typeof said?.delivery_paused === "boolean" ? { isPaused: said.delivery_paused } : {}),
      };
      return ok(await view(await service.change(c.req.param("queue"), changes)));
    })
    .delete("/queues/:queue", async (c) => {
      await service.delete(c.req.param("queue"));
      return ok(null);
    })
    .get("/queues/:queue/metrics", async (c) => {
      const { messages, bytes } = await service.facts(c.req.param("queue"));
      return ok({ backlog_count: messages, backlog_bytes: bytes });
    })
    .post("/queues/:queue/purge", async (c) => {
      await readJson(c.req.raw, purge);
      await service.purge(c.req.param("queue"));
      return ok(await view(await service.get(c.req.param("queue"))));
    })
    .on("POST", ["/queues/:queue/messages/pull", "/queues/:queue/messages/ack"], async (c) => {
      await service.get(c.req.param("queue"));
      throw notServed("Pulling messages of a queue by HTTP", WORKER_CONSUMES);
    })
    .get("/queues/:queue/consumers", async (c) => {
      const queue = await service.get(c.req.param("queue"));
      return ok(queue.consumer === undefined ? [] : [consumerView(queue, queue.consumer)]);
    })
    .post("/queues/:queue/consumers", async (c) => {
      const queue = await service.addConsumer(c.req.param("queue"), consumerRequest(await readJson(c.req.raw, consumer)));
      return ok(queue.consumer === undefined ? null : consumerView(queue, queue.consumer));
    })
    .put("/queues/:queue/consumers/:consumer", async (c) => {
      const request = consumerRequest(await readJson(c.req.raw, consumer));
      const queue = await service.changeConsumer(c.req.param("queue"), c.req.param("consumer"), request);
      return ok(queue.consumer === undefined ? null : consumerView(queue, queue.consumer));
    })
    .delete("/queues/:queue/consumers/:consumer", async (c) => {
      await service.removeConsumer(c.req.param("queue"), c.req.param("consumer"));
      return ok(null);
    });
}

function consumerRequest({ type, script_name, dead_letter_queue, settings: said }: z.infer<typeof consumer>): ConsumerRequest {
  if (type !== "worker") throw notServed(`A consumer of the type "${type ?? ""}"`, WORKER_CONSUMES);
  if (!script_name) throw new LongshoreError("INVALID_INPUT", "The consumer names no Worker (script_name).");
  const { batch_size, max_retries, max_wait_time_ms, max_concurrency, retry_delay } = said ?? {};
  const numbers = { batch_size, max_retries, max_wait_time_ms, max_concurrency, retry_delay };
  return {
    script: script_name,
    settings: Object.fromEntries(Object.entries(numbers).filter(([, value]) => typeof value === "number")),
    ...(dead_letter_queue ? { deadLetterQueue: dead_letter_queue } : {}),
  };
}

function assertRetention(said: z.infer<typeof settings> | null | undefined): void {
  const asked = said?.message_retention_period;
  if (asked === undefined || asked === null || asked === RETENTION_S) return;
  throw notServed(
    "A message retention period of its own for a queue",
    `Leave it out: messages are kept for ${RETENTION_S} seconds (4 days).`,
  );
}
