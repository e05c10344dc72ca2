import type { Rate } from "./limits.js";

/** Hosts remembered at most: whoever asks for ever new ones must not fill memory. */
const MAX_BUCKETS = 10_000;

interface Bucket {
  tokens: number;
  /** When `tokens` was right, in milliseconds. */
  at: number;
}

/** A token bucket for each host that has a rate. */
export class RateLimit {
  readonly #rates: Readonly<Record<string, Rate>>;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rates: Readonly<Record<string, Rate>>) {
    this.#rates = rates;
  }

  /** Takes a token of the host's. Undefined when there was one, else the seconds until there is one again. `now` in milliseconds. */
  take(host: string, now: number): number | undefined {
    const rate = (Object.hasOwn(this.#rates, host) ? this.#rates[host] : undefined) ?? this.#rates["*"];
    if (rate === undefined) return undefined;
    const bucket = this.#buckets.get(host) ?? this.#open(host, rate, now);
    bucket.tokens = Math.min(rate.burst, bucket.tokens + ((now - bucket.at) / 1000) * rate.perSecond);
    bucket.at = now;
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / rate.perSecond);
    bucket.tokens--;
    return undefined;
  }

  #open(host: string, rate: Rate, now: number): Bucket {
    // The one that was opened first: it is full again most likely.
    if (this.#buckets.size >= MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value ?? "");
    const bucket = { tokens: rate.burst, at: now };
    this.#buckets.set(host, bucket);
    return bucket;
  }
}
