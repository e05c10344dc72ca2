import { availableParallelism } from "node:os";
import { Demand } from "./demand.js";
import { type PoolNeed, planPool } from "./pool-plan.js";
import type { Sandbox } from "./sandbox.js";

/** What a pooled sandbox is good for: the key names image and size together. */
export type PoolKey = Pick<PoolNeed, "key" | "least" | "most">;

export interface PoolActions {
  /** Makes one sandbox for a key. */
  create(key: string): Promise<Sandbox>;
  remove(sandbox: Sandbox): Promise<void>;
  /** How many sandboxes may wait now, all keys together. */
  budget(): number;
  /** A sandbox could not be made ahead; the next start will say why to its caller. */
  failed(key: string, error: unknown): void;
}

/** A sandbox that is being made ahead. */
interface Making {
  readonly key: string;
  readonly done: Promise<void>;
}

/** After a start its successor waits this long, so that the container that is just booting has the processors to itself. */
const REFILL_PAUSE_MS = 150;
/** Sandboxes made ahead at once. Making one is half waiting, so a core is left to whoever starts meanwhile. */
const MADE_AT_ONCE = availableParallelism();
/** How often the pool looks whether demand has fallen, or memory is short. */
const REVIEW_MS = 30_000;

/**
 * Sandboxes made ahead of need, for each key as many as demand and memory suggest (pool-plan.ts). Taking one is immediate; its successor is made
 * in the background, while nothing starts, so that a burst of starts does not compete with its own refill.
 */
export class SandboxPool {
  readonly #actions: PoolActions;
  readonly #ready = new Map<string, Sandbox[]>();
  readonly #demand = new Map<string, Demand>();
  #keys: readonly PoolKey[] = [];
  readonly #making = new Set<Making>();
  #lastTake = Number.NEGATIVE_INFINITY;
  #closed = false;
  #pause: NodeJS.Timeout | undefined;
  readonly #review: NodeJS.Timeout;
  /** Keys whose last making failed: not tried again until somebody asks. */
  readonly #broken = new Set<string>();

  constructor(actions: PoolActions) {
    this.#actions = actions;
    this.#review = setInterval(() => void this.#trim().then(() => this.#refill()), REVIEW_MS).unref();
  }

  /** Sets which keys are kept ready; what is no longer wanted is removed. */
  async want(keys: readonly PoolKey[]): Promise<void> {
    this.#keys = keys;
    this.#broken.clear();
    const known = new Set(keys.map(({ key }) => key));
    for (const key of this.#demand.keys()) if (!known.has(key)) this.#demand.delete(key);
    await this.#trim();
    this.#refill();
  }

  /** A ready sandbox, or `undefined`: then the caller makes its own. */
  take(key: string): Sandbox | undefined {
    const sandbox = this.#ready.get(key)?.shift();
    this.#lastTake = performance.now();
    this.#demandFor(key)?.note(this.#lastTake);
    this.#broken.delete(key);
    this.#refillLater();
    return sandbox;
  }

  /** A sandbox that ended while it waited is the caller's again. */
  discard(id: string): Sandbox | undefined {
    let found: Sandbox | undefined;
    for (const sandboxes of this.#ready.values()) {
      const position = sandboxes.findIndex((sandbox) => sandbox.id === id);
      if (position >= 0) [found] = sandboxes.splice(position, 1);
    }
    this.#refill();
    return found;
  }

  get size(): number {
    return [...this.#ready.values()].reduce((sum, sandboxes) => sum + sandboxes.length, 0);
  }

  /** Resolves when every key has as many as planned, or cannot have them. */
  async filled(): Promise<void> {
    this.#refill(true);
    while (this.#making.size > 0) await Promise.all([...this.#making].map(({ done }) => done));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#review);
    await this.filled();
    const left = [...this.#ready.values()].flat();
    // At once: nobody else may find them and remove them a second time.
    this.#ready.clear();
    await Promise.all(left.map((sandbox) => this.#actions.remove(sandbox)));
  }

  /** How many sandboxes of each key are to wait. */
  #plan(): Map<string, number> {
    const now = performance.now();
    const needs = this.#keys.map((wanted) => ({ ...wanted, peak: this.#demand.get(wanted.key)?.peak(now) ?? 0 }));
    return planPool(needs, this.#actions.budget());
  }

  #demandFor(key: string): Demand | undefined {
    if (!this.#keys.some((wanted) => wanted.key === key)) return undefined;
    const demand = this.#demand.get(key) ?? new Demand();
    this.#demand.set(key, demand);
    return demand;
  }

  /** Removes what is more than planned. */
  async #trim(): Promise<void> {
    const plan = this.#plan();
    const surplus: Sandbox[] = [];
    for (const [key, sandboxes] of this.#ready) {
      surplus.push(...sandboxes.splice(plan.get(key) ?? 0));
      if (sandboxes.length === 0) this.#ready.delete(key);
    }
    await Promise.all(surplus.map((sandbox) => this.#actions.remove(sandbox)));
  }

  #refillLater(): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#refill(), this.#lastTake + REFILL_PAUSE_MS - performance.now()).unref();
  }

  /** Makes what is lacking, a few at once; `urgently` even if a container is just booting. */
  #refill(urgently = false): void {
    clearTimeout(this.#pause);
    if (this.#closed) return;
    if (!urgently && performance.now() - this.#lastTake < REFILL_PAUSE_MS) {
      this.#refillLater();
      return;
    }
    while (this.#making.size < MADE_AT_ONCE) {
      const key = this.#lacking();
      if (key === undefined) return;
      const making: Making = { key, done: this.#make(key).finally(() => this.#made(making, urgently)) };
      this.#making.add(making);
    }
  }

  #made(making: Making, urgently: boolean): void {
    this.#making.delete(making);
    this.#refill(urgently);
  }

  async #make(key: string): Promise<void> {
    try {
      const sandbox = await this.#actions.create(key);
      if (this.#closed || !this.#keys.some((wanted) => wanted.key === key)) await this.#actions.remove(sandbox);
      else this.#ready.set(key, [...(this.#ready.get(key) ?? []), sandbox]);
    } catch (error) {
      this.#broken.add(key);
      this.#actions.failed(key, error);
    }
  }

  #lacking(): string | undefined {
    for (const [key, depth] of this.#plan()) {
      const coming = [...this.#making].filter((making) => making.key === key).length;
      if (!this.#broken.has(key) && (this.#ready.get(key)?.length ?? 0) + coming < depth) return key;
    }
    return undefined;
  }
}
