import { availableParallelism } from "node:os";
import { Demand } from "./demand.js";
import { keptOf, type PoolBudget, type PoolNeed, type PoolPlan, planPool } from "./pool-plan.js";
import type { Sandbox } from "./sandbox.js";

/** What a pooled sandbox is good for: the key names image and size together. */
export type PoolKey = Pick<PoolNeed, "key" | "least" | "most" | "ahead">;

export interface PoolActions {
  /** Makes one sandbox for a key. */
  create(key: string): Promise<Sandbox>;
  remove(sandbox: Sandbox): Promise<void>;
  budget(): PoolBudget;
  /** How many more containers of a key can start now. */
  room(key: string): number;
  /** A sandbox could not be made ahead; the next start will say why to its caller. */
  failed(key: string, error: unknown): void;
  /** One that is not wanted any more could not be removed; what is left of it goes with the next start of the engine. */
  left(id: string, error: unknown): void;
}

/** A sandbox that is being made ahead. */
interface Making {
  readonly key: string;
  readonly done: Promise<void>;
}

/** What is to be made next. */
interface Lacking {
  readonly key: string;
  /** Starts of late ask for it, or it is one of the few that always wait; else nobody has asked yet, and it has time. */
  readonly asked: boolean;
}

/** After a start its successor waits this long, so that the container that is just booting has the processors to itself. */
const REFILL_PAUSE_MS = 150;
/** What nobody has asked for yet is made when nothing has started for so long, one after the other: whatever else the machine does goes first. */
const AHEAD_PAUSE_MS = 3_000;
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
  /** Surplus that is being removed. */
  #removal: Promise<void> = Promise.resolve();
  #lastWant = Number.NEGATIVE_INFINITY;
  #lastTake = Number.NEGATIVE_INFINITY;
  #closed = false;
  #pause: NodeJS.Timeout | undefined;
  readonly #reviews: NodeJS.Timeout;
  /** Keys whose last making failed: not tried again until somebody asks. */
  readonly #broken = new Set<string>();

  constructor(actions: PoolActions) {
    this.#actions = actions;
    this.#reviews = setInterval(() => this.#review(), REVIEW_MS).unref();
  }

  /** Sets which keys are kept ready. What is no longer wanted is removed in the background. */
  want(keys: readonly PoolKey[]): void {
    this.#keys = keys;
    this.#broken.clear();
    const known = new Set(keys.map(({ key }) => key));
    for (const key of this.#demand.keys()) if (!known.has(key)) this.#demand.delete(key);
    this.#lastWant = performance.now();
    this.#review();
  }

  /** There may be room for more than before. */
  look(): void {
    if (this.#pause === undefined) this.#refillLater(REFILL_PAUSE_MS);
  }

  /** A ready sandbox, or `undefined`: then the caller makes its own. */
  take(key: string): Sandbox | undefined {
    const sandbox = this.#ready.get(key)?.shift();
    this.#lastTake = performance.now();
    this.#demandFor(key)?.note(this.#lastTake);
    this.#broken.delete(key);
    this.#refillLater(REFILL_PAUSE_MS);
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

  /** Resolves when every key has as many as planned, or cannot have them, and no more. */
  async filled(): Promise<void> {
    // Again and again: what was begun before without urgency makes no successors at its end.
    for (this.#refill(true); this.#making.size > 0; this.#refill(true)) await Promise.all([...this.#making].map(({ done }) => done));
    await this.#removal;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#reviews);
    await this.filled();
    const left = [...this.#ready.values()].flat();
    // At once: nobody else may find them and remove them a second time.
    this.#ready.clear();
    await Promise.all(left.map((sandbox) => this.#actions.remove(sandbox)));
  }

  #plan(): PoolPlan {
    const now = performance.now();
    const needs = this.#keys.map((wanted) => ({
      ...wanted,
      room: this.#actions.room(wanted.key),
      peak: this.#demand.get(wanted.key)?.peak(now) ?? 0,
    }));
    return planPool(needs, this.#actions.budget());
  }

  #demandFor(key: string): Demand | undefined {
    if (!this.#keys.some((wanted) => wanted.key === key)) return undefined;
    const demand = this.#demand.get(key) ?? new Demand();
    this.#demand.set(key, demand);
    return demand;
  }

  #review(): void {
    const { all } = this.#plan();
    for (const [key, sandboxes] of this.#ready) {
      const surplus = sandboxes.splice(keptOf(all.get(key) ?? 0));
      if (sandboxes.length === 0) this.#ready.delete(key);
      for (const sandbox of surplus) this.#removeInTurn(sandbox);
    }
    this.#refill();
  }

  /** Nobody waits for it, so one after the other. */
  #removeInTurn(sandbox: Sandbox): void {
    this.#removal = this.#removal
      .then(() => this.#actions.remove(sandbox))
      .catch((error: unknown) => this.#actions.left(sandbox.id, error));
  }

  /** How long nothing has started that the machine should be left to. */
  #quietMs({ asked }: Lacking): number {
    return performance.now() - (asked ? this.#lastTake : Math.max(this.#lastTake, this.#lastWant));
  }

  #refillLater(ms: number): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#refill(), ms).unref();
  }

  /** Makes what is lacking, a few at once; `urgently` even if a container is just booting. */
  #refill(urgently = false): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    if (this.#closed) return;
    for (let lacking = this.#lacking(); lacking !== undefined; lacking = this.#lacking()) {
      const { key, asked } = lacking;
      if (this.#making.size >= (urgently || asked ? MADE_AT_ONCE : 1)) return;
      const pause = urgently ? 0 : (asked ? REFILL_PAUSE_MS : AHEAD_PAUSE_MS) - this.#quietMs(lacking);
      if (pause > 0) {
        this.#refillLater(pause);
        return;
      }
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

  #lacking(): Lacking | undefined {
    const { asked, all } = this.#plan();
    const lacks = ([key, depth]: readonly [string, number]) => {
      const coming = [...this.#making].filter((making) => making.key === key).length;
      return !this.#broken.has(key) && (this.#ready.get(key)?.length ?? 0) + coming < depth;
    };
    const [urgent] = [...asked].find(lacks) ?? [];
    if (urgent !== undefined) return { key: urgent, asked: true };
    const [other] = [...all].find(lacks) ?? [];
    return other === undefined ? undefined : { key: other, asked: false };
  }
}
