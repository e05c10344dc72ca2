import type { Platform } from "@longshore/testkit";
import { LARGE, LARGE_ROW, type Store } from "./store.js";
import { valueFor, writeOf } from "./values.js";

/** The Worker that writes to what it is bound to, and writes down what its queues deliver. */
export const CODE = `
import { DurableObject } from "cloudflare:workers";
export class Box extends DurableObject {
  put(place, value) { this.ctx.storage.put(place, value); }
  get(place) { return this.ctx.storage.get(place); }
}
const stores = {
  kv: { put: (env, place, value) => env.KV.put(place, value), get: (env, place) => env.KV.get(place) },
  d1: {
    put: (env, place, value) => env.DB.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)").bind(place, value).run(),
    get: (env, place) => env.DB.prepare("SELECT value FROM t WHERE place = ?").bind(place).first("value"),
  },
  object: {
    put: (env, place, value) => env.BOX.get(env.BOX.idFromName(place)).put(place, value),
    get: (env, place) => env.BOX.get(env.BOX.idFromName(place)).get(place),
  },
  r2: { put: (env, place, value) => env.BUCKET.put(place, value), get: async (env, place) => (await env.BUCKET.get(place))?.text() },
  jobs: { put: (env, place, value) => env.JOBS.send({ place, value }), get: (env, place) => delivered(env, "jobs", place) },
  refused: { put: (env, place, value) => env.REFUSED.send({ place, value }), get: (env, place) => delivered(env, "dead", place) },
  secret: { get: (env, place) => env["SECRET_" + place].get() },
};
const delivered = (env, queue, place) => env.BOX.getByName("delivered").get(queue + "-" + place);
export default { async fetch(request, env) {
  const [, kind, place] = new URL(request.url).pathname.split("/");
  const { put, get } = stores[kind];
  if (request.method === "PUT") { await put(env, place, await request.text()); return new Response("written"); }
  const value = await get(env, place);
  return value == null ? new Response(null, { status: 404 }) : new Response(value);
}, async queue(batch, env) {
  const queue = batch.queue.slice("crash-".length);
  if (queue === "refused") return batch.retryAll();
  for (const message of batch.messages) {
    const { place, value } = message.body;
    await env.BOX.getByName("delivered").put(queue + "-" + place, value);
    // Both ways of acknowledging: each by itself, and all by returning.
    if (Number(place) % 2 === 0) message.ack();
  }
} };`;

/** Through the Worker's bindings. */
export class WorkerStore implements Store {
  readonly name: string;
  readonly places = 5;
  readonly #large: number;

  constructor(
    readonly platform: Platform,
    readonly kind: string,
  ) {
    this.name = `${kind} of a Worker`;
    this.#large = kind === "d1" || kind === "object" ? LARGE_ROW : LARGE;
  }

  async write(place: string, n: number): Promise<void> {
    const answer = await this.platform.fetch("crash", this.#path(place), { method: "PUT", body: valueFor(n, this.#large) });
    if ((await answer.text()) !== "written") throw new Error(`It answered ${answer.status}.`);
  }

  async read(place: string): Promise<number | undefined> {
    const answer = await this.platform.fetch("crash", this.#path(place));
    const text = await answer.text();
    if (answer.status === 404) return undefined;
    if (answer.status === 200) return writeOf(text);
    throw new Error(`${this.name}: ${answer.status} ${text}`);
  }

  #path(place: string): string {
    return `/${this.kind}/worker-${place}`;
  }
}
