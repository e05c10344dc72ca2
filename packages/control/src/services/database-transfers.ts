import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { type Bucket, LongshoreError } from "@longshore/contract";
import type { Clock } from "../options.js";

const PREFIX = "control/transfers/";
/** How long an SQL text that is on its way in or out is kept. */
const LIFETIME_MS = 60 * 60_000;
const TOKEN = /^(\d{13})-[0-9a-f]{64}$/;

/**
 * SQL texts on their way into a database or out of one. Clients send and fetch them without the account's token, so a text's own token is
 * what lets them: nobody guesses it, and it is good for an hour.
 */
export class DatabaseTransfers {
  readonly #bucket: Bucket;
  readonly #clock: Clock;

  constructor(bucket: Bucket, clock: Clock) {
    this.#bucket = bucket;
    this.#clock = clock;
  }

  /** A new token, with this text under it. What is older than an hour is deleted. */
  async begin(text: string): Promise<string> {
    for await (const { key } of this.#bucket.list(PREFIX)) {
      if (!this.#isCurrent(key.slice(PREFIX.length))) await this.#bucket.delete(key);
    }
    const token = `${this.#clock()}-${randomBytes(32).toString("hex")}`;
    await this.#bucket.put(PREFIX + token, text);
    return token;
  }

  /** Errors: `NOT_FOUND` when the token is not known or its hour is over. */
  async assertOpen(token: string): Promise<void> {
    if (this.#isCurrent(token) && (await this.#bucket.head(PREFIX + token)) !== undefined) return;
    throw transferOver();
  }

  /** Replaces the text under a token. Errors: `NOT_FOUND`. */
  async put(token: string, text: Uint8Array): Promise<void> {
    await this.assertOpen(token);
    await this.#bucket.put(PREFIX + token, text);
  }

  /** Errors: `NOT_FOUND` when the token is not known or its hour is over. */
  async get(token: string): Promise<Buffer> {
    const object = this.#isCurrent(token) ? await this.#bucket.get(PREFIX + token) : undefined;
    if (object !== undefined) return buffer(object.body);
    throw transferOver();
  }

  async end(token: string): Promise<void> {
    if (TOKEN.test(token)) await this.#bucket.delete(PREFIX + token);
  }

  #isCurrent(token: string): boolean {
    const made = TOKEN.exec(token)?.[1];
    return made !== undefined && this.#clock() - Number(made) < LIFETIME_MS;
  }
}

function transferOver(): LongshoreError {
  return new LongshoreError("NOT_FOUND", "There is no such upload or download any more.", {
    hint: "Begin again: they are kept for an hour.",
  });
}
