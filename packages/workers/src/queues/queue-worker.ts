// The Worker in the queues' process: not run by Node.js. workerd's own Queues module keeps the messages and decides when they are delivered. Around it,
// this one says which queue a request is for, hands batches to the consumers' processes, and sees to it that no message pays for what is not its
// consumer's failure: a process that is being replaced or is not up yet.
import type { DurableObject } from "cloudflare:workers";
import queues, { QueueShard as BundledShard } from "longshore:queues";

/** As many as workerd's module spreads a queue over. */
const SHARDS = 1024;
/** How long a consumer's process is waited for with a batch in hand, and after how long it is tried again, in milliseconds and seconds. */
const WAIT_MS = 20_000;
const PAUSE_MS = 250;
const AGAIN_S = 5;
const DESTROYED = "longshore:destroyed";

interface Message {
  readonly id: string;
}

/** What the module takes as a consumer's answer. */
interface Outcome {
  readonly outcome: string;
  readonly ackAll: boolean;
  readonly retryBatch: { readonly retry: boolean; readonly delaySeconds?: number };
  readonly explicitAcks: readonly string[];
  readonly retryMessages: readonly unknown[];
}

/** The entrypoint of ours in a consumer's process. */
interface Consumer {
  ready(): Promise<void>;
  deliver(queue: string, messages: readonly Message[], metadata: unknown): Promise<Outcome>;
}

interface Facts {
  readonly messages: number;
  readonly bytes: number;
}

interface Shard {
  isDestroyed(): Promise<boolean>;
  destroy(): Promise<void>;
  purge(): Promise<void>;
  countBefore(time: number): Promise<number>;
  facts(): Promise<Facts>;
  call(queue: string, operation: string): Promise<unknown>;
}

interface Env {
  readonly SHARD: { idFromName(name: string): { toString(): string }; getByName(name: string): Shard };
  /** By queue's id. */
  readonly NAMES: Readonly<Record<string, string>>;
  readonly DELAYS: Readonly<Record<string, number>>;
  readonly [consumer: string]: unknown;
}

type State = ConstructorParameters<typeof DurableObject>[0];

/** As in the storage process: what is known of a queue, so that only its first request has to ask. */
const alive = new Set<string>();
const destroyed = new Set<string>();

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [kind, queue = ""] = (request.headers.get("X-Longshore-Store") ?? "").split("/");
    if (kind !== "queue" || queue === "") return refused(400, "The request names no queue.");
    const command = request.headers.get("X-Longshore-Command");
    const numbers = (new URL(request.url).searchParams.get("shards") ?? "").split(",").filter(Boolean).map(Number);
    if (command !== null) return Response.json(await obey(command, queue, numbers, env));
    if (!alive.has(queue) && (await env.SHARD.getByName(queue).isDestroyed())) destroyed.add(queue);
    if (destroyed.has(queue)) return refused(403, "The queue is deleted.");
    alive.add(queue);
    const response = await queues.fetch(delayed(request, env.DELAYS[queue]), env, { props: { queue } });
    return response.status === 200 ? response : refused(response.status, String(await response.json()));
  },
};

async function obey(command: string, queue: string, numbers: readonly number[], env: Env): Promise<unknown> {
  const shards = numbers.map((number) => env.SHARD.getByName(`${queue}#${number}`));
  switch (command) {
    // The server finds out which of these there are: asking an object makes it.
    case "shards":
      return Array.from({ length: SHARDS }, (_, number) => env.SHARD.idFromName(`${queue}#${number}`).toString());
    case "wake":
      return await Promise.all(shards.map((shard) => shard.call(queue, "/metrics"))).then(() => null);
    case "facts":
      return await Promise.all(shards.map((shard) => shard.facts()));
    case "purge":
      return await Promise.all(shards.map(emptied)).then(() => null);
    case "destroy":
      destroyed.add(queue);
      await env.SHARD.getByName(queue).destroy();
      return await Promise.all(shards.map(emptied)).then(() => null);
    default:
      throw new Error(`There is no command ${command}.`);
  }
}

/** The delay of messages that say none: the binding's before the queue's. */
function delayed(request: Request, ofQueue: number | undefined): Request {
  const delay = request.headers.get("X-Longshore-Delay") ?? ofQueue;
  if (delay === undefined || request.headers.has("X-Msg-Delay-Secs")) return request;
  const changed = new Request(request);
  changed.headers.set("X-Msg-Delay-Secs", String(delay));
  return changed;
}

export class QueueShard extends BundledShard {
  constructor(ctx: State, env: Env) {
    forgiveLeases(ctx);
    super(ctx, withConsumers(ctx, env));
  }

  async isDestroyed(): Promise<boolean> {
    return (await this.ctx.storage.get(DESTROYED)) === true;
  }

  async destroy(): Promise<void> {
    await this.ctx.storage.put(DESTROYED, true);
  }

  facts(): Facts {
    const [row] = this.ctx.storage.sql.exec("SELECT count(*) AS messages, coalesce(sum(size), 0) AS bytes FROM messages").toArray();
    return row as unknown as Facts;
  }

  /** Never resolves: the object forgets what it has in memory by ending, which its caller sees as a failure. */
  async purge(): Promise<void> {
    this.ctx.storage.sql.exec("DELETE FROM messages");
    await this.ctx.storage.sync();
    this.ctx.abort("The queue is emptied.");
  }

  /** How many messages came before a time, in milliseconds since 1970. */
  countBefore(time: number): number {
    return this.ctx.storage.sql.exec("SELECT count(*) AS n FROM messages WHERE timestamp < ?", time).toArray()[0]?.n as number;
  }
}

async function emptied(shard: Shard): Promise<void> {
  const now = Date.now();
  await shard.purge().catch(() => undefined);
  if ((await shard.countBefore(now)) > 0) throw new Error("The queue could not be emptied.");
}

/** What was out with a consumer when the last process ended counts as tried once more, which is not its consumer's failure. */
function forgiveLeases({ storage: { sql } }: State): void {
  const isNew = sql.exec("SELECT 1 FROM sqlite_schema WHERE name = 'messages'").toArray().length === 0;
  if (!isNew) sql.exec("UPDATE messages SET attempts = attempts - 1 WHERE lease IS NOT NULL");
}

/** The environment in which the module finds consumers with a `queue()`, each of which is an entrypoint of ours in the consumer's process. */
function withConsumers(ctx: State, env: Env): Env {
  /** Messages whose consumer's process ended under them once. */
  const died = new Set<string>();
  return new Proxy(env, {
    get(target, key) {
      const value = target[key as keyof Env];
      if (typeof key !== "string" || !key.startsWith("CONSUMER_")) return value;
      const queue = (id: string, messages: readonly Message[], metadata: unknown) =>
        deliver(ctx, died, value as Consumer, target.NAMES[id] ?? id, messages, metadata);
      return { queue };
    },
  });
}

async function deliver(
  ctx: State,
  died: Set<string>,
  consumer: Consumer,
  queue: string,
  messages: readonly Message[],
  metadata: unknown,
): Promise<Outcome> {
  if (!(await isThere(consumer))) return uncounted(ctx, messages, AGAIN_S);
  const again = messages.filter(({ id }) => died.delete(id)).length > 0;
  try {
    return await consumer.deliver(queue, messages, metadata);
  } catch (error) {
    // Replaced, or killed. Once that costs no attempt; a message that ends its consumer's process again and again runs out of them.
    if (again) throw error;
    for (const { id } of messages) died.add(id);
    return uncounted(ctx, messages, 0);
  }
}

async function isThere(consumer: Consumer): Promise<boolean> {
  const deadline = Date.now() + WAIT_MS;
  const pause = () => new Promise<false>((resolve) => setTimeout(() => resolve(false), PAUSE_MS));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), WAIT_MS);
  });
  try {
    while (Date.now() < deadline) {
      const answered = consumer.ready().then(
        () => true,
        () => pause(),
      );
      if (await Promise.race([answered, late])) return true;
    }
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** The batch is tried again without having been tried. */
function uncounted(ctx: State, messages: readonly Message[], delaySeconds: number): Outcome {
  for (const { id } of messages) ctx.storage.sql.exec("UPDATE messages SET attempts = attempts - 1 WHERE id = ? AND lease IS NOT NULL", id);
  return { outcome: "ok", ackAll: false, retryBatch: { retry: true, delaySeconds }, explicitAcks: [], retryMessages: [] };
}

/** The binding shows the header, with older compatibility dates the status text. */
function refused(status: number, message: string): Response {
  return Response.json({ success: false, error: message }, { status, statusText: message, headers: { "CF-Queues-Error-Cause": message } });
}
