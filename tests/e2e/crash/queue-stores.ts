import type { Platform } from "@longshore/testkit";
import type { Api } from "./api.js";
import type { Store } from "./store.js";
import { valueFor, writeOf } from "./values.js";

/** A message of 128 KB is the largest. */
const LARGE_MESSAGE = 100_000;

/** The names of the queues: messages of one are consumed, of the other refused, so that they come to the third. */
export const QUEUES = { jobs: "crash-jobs", refused: "crash-refused", dead: "crash-dead" } as const;

/** More attempts than processes are killed: a message must not run out of them by that. */
const MANY = 100;

export const QUEUE_SETTINGS = {
  producers: [
    { binding: "JOBS", queue: QUEUES.jobs },
    { binding: "REFUSED", queue: QUEUES.refused },
  ],
  consumers: [
    { queue: QUEUES.jobs, max_batch_timeout: 0, max_batch_size: 5, max_retries: MANY },
    { queue: QUEUES.refused, max_batch_timeout: 0, max_retries: 0, dead_letter_queue: QUEUES.dead },
    { queue: QUEUES.dead, max_batch_timeout: 0, max_retries: MANY },
  ],
};

/**
 * A queue, whose consumer writes down what it gets before it acknowledges it. Each message is a place of its own: an acknowledged one must have been
 * delivered, at least once, as it was sent.
 */
export class QueueStore implements Store {
  readonly name: string;
  readonly places = Number.POSITIVE_INFINITY;
  readonly pauseMs = 20;
  #ids: ReadonlyMap<string, string> | undefined;

  /** `kind`: the path of the Worker. `queues`: where its messages may be until they are delivered; the last is the one that delivers them. */
  constructor(
    readonly platform: Platform,
    readonly api: Api,
    readonly kind: "jobs" | "refused",
    readonly queues: readonly string[],
  ) {
    this.name = `queue (${kind})`;
  }

  async write(_place: string, n: number): Promise<void> {
    const answer = await this.platform.fetch("crash", `/${this.kind}/${n}`, { method: "PUT", body: valueFor(n, LARGE_MESSAGE) });
    if ((await answer.text()) !== "written") throw new Error(`It answered ${answer.status}.`);
  }

  /** Waits, by failing, while there are messages that may be the one. */
  async read(place: string): Promise<number | undefined> {
    const waiting = (await this.#isDelivered(place)) ? 0 : await this.#backlog();
    if (waiting > 0) throw new Error(`${waiting} messages are not delivered yet.`);
    const value = await this.#delivered(place);
    return value === undefined ? undefined : writeOf(value);
  }

  async #isDelivered(place: string): Promise<boolean> {
    return (await this.#delivered(place)) !== undefined;
  }

  async #delivered(place: string): Promise<string | undefined> {
    const answer = await this.platform.fetch("crash", `/${this.kind}/${place}`);
    const text = await answer.text();
    if (answer.status === 404) return undefined;
    if (answer.status === 200) return text;
    throw new Error(`${this.name}: ${answer.status} ${text}`);
  }

  async #backlog(): Promise<number> {
    this.#ids ??= new Map(
      ((await this.api.json("GET", "queues")) as { queue_name: string; queue_id: string }[]).map((each) => [
        each.queue_name,
        each.queue_id,
      ]),
    );
    let messages = 0;
    // In the order in which a message goes through them, so that none is missed by moving on.
    for (const queue of this.queues) {
      const facts = (await this.api.json("GET", `queues/${this.#ids.get(queue)}/metrics`)) as { backlog_count: number };
      messages += facts.backlog_count;
    }
    return messages;
  }
}
