import type { Sandbox } from "./sandbox.js";

/** What a pooled sandbox is good for: the key names image and size together. */
export interface PoolKey {
  readonly key: string;
  readonly depth: number;
}

export interface PoolActions {
  /** Makes one sandbox for a key. */
  create(key: string): Promise<Sandbox>;
  remove(sandbox: Sandbox): Promise<void>;
  /** A sandbox could not be made ahead; the next start will say why to its caller. */
  failed(key: string, error: unknown): void;
}

/** After a start its successor waits this long, so that the container that is just booting has the processors to itself. */
const REFILL_PAUSE_MS = 150;

/**
 * Sandboxes made ahead of need, a few for each key. Taking one is immediate; its successor is made in the background, after a pause and one at a
 * time, so that a burst of starts does not compete with its own refill.
 */
export class SandboxPool {
  readonly #actions: PoolActions;
  readonly #ready = new Map<string, Sandbox[]>();
  #wanted = new Map<string, number>();
  #refilling: Promise<void> | undefined;
  #closed = false;
  #pause: NodeJS.Timeout | undefined;
  /** Keys whose last making failed: not tried again until somebody asks. */
  readonly #broken = new Set<string>();

  constructor(actions: PoolActions) {
    this.#actions = actions;
  }

  /** Sets which keys are kept ready, and how many of each; what is no longer wanted is removed. */
  async want(keys: readonly PoolKey[]): Promise<void> {
    this.#wanted = new Map(keys.map(({ key, depth }) => [key, depth]));
    this.#broken.clear();
    for (const [key, sandboxes] of this.#ready) {
      const surplus = sandboxes.splice(this.#wanted.get(key) ?? 0);
      if (sandboxes.length === 0) this.#ready.delete(key);
      await Promise.all(surplus.map((sandbox) => this.#actions.remove(sandbox)));
    }
    this.#refill();
  }

  /** A ready sandbox, or `undefined`: then the caller makes its own. */
  take(key: string): Sandbox | undefined {
    const sandbox = this.#ready.get(key)?.shift();
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

  /** Resolves when every key has its depth, or cannot have it. */
  async filled(): Promise<void> {
    this.#refill();
    while (this.#refilling !== undefined) await this.#refilling;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.filled();
    const left = [...this.#ready.values()].flat();
    // At once: nobody else may find them and remove them a second time.
    this.#ready.clear();
    await Promise.all(left.map((sandbox) => this.#actions.remove(sandbox)));
  }

  #refillLater(): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#refill(), REFILL_PAUSE_MS).unref();
  }

  #refill(): void {
    clearTimeout(this.#pause);
    if (this.#refilling !== undefined || this.#closed) return;
    const key = this.#lacking();
    if (key === undefined) return;
    this.#refilling = this.#make(key).finally(() => {
      this.#refilling = undefined;
      this.#refill();
    });
  }

  async #make(key: string): Promise<void> {
    try {
      const sandbox = await this.#actions.create(key);
      if (this.#closed || !this.#wanted.has(key)) await this.#actions.remove(sandbox);
      else this.#ready.set(key, [...(this.#ready.get(key) ?? []), sandbox]);
    } catch (error) {
      this.#broken.add(key);
      this.#actions.failed(key, error);
    }
  }

  #lacking(): string | undefined {
    for (const [key, depth] of this.#wanted) {
      if (!this.#broken.has(key) && (this.#ready.get(key)?.length ?? 0) < depth) return key;
    }
    return undefined;
  }
}
