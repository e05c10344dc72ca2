import { RpcTarget } from "cloudflare:workers";
import { choose, type Instance, type RouteTerms } from "./plan.js";

/** How long no new instance is tried after the platform has refused one. */
const REFUSED_MS = 10_000;

/** A place in an instance. It is given back when the one who has it lets go of it, or is gone. */
export interface Place {
  readonly instance: number;
  /** True if nobody has heard yet that the instance answers. */
  readonly fresh: boolean;
  readonly hold: Hold;
}

class Slot {
  open = 0;
  /** Whether it has answered since it was started. */
  answered = false;
  idleSince = 0;
}

/** The one who knows how much each instance has to do: every request asks it, so that there is one truth. In memory: places end with the process. */
export class Router {
  #slots: Slot[] = [];
  #waiting: Array<() => void> = [];
  /** At most so many, until then: the platform has refused more. */
  #ceiling = { instances: Number.POSITIVE_INFINITY, until: 0 };

  constructor(private readonly sleepAfterMs: () => number) {}

  /** A place in the instance that is to have the next request; waits for one, in turn, if all are full. `undefined`: none became free in time. */
  async place(terms: RouteTerms): Promise<Place | undefined> {
    const deadline = Date.now() + terms.queueMs;
    // Nobody passes those who wait already.
    let chosen = this.#waiting.length === 0 ? this.#choose(terms) : undefined;
    while (chosen === undefined) {
      const left = deadline - Date.now();
      if (left <= 0 || !(await this.#turn(left))) return undefined;
      chosen = this.#choose(terms);
    }
    const slot = this.#slot(chosen);
    slot.open++;
    return { instance: chosen, fresh: !slot.answered, hold: new Hold(this, chosen) };
  }

  answered(instance: number): void {
    this.#slot(instance).answered = true;
  }

  /** The platform lets no further instance run. */
  refused(): void {
    const running = this.#slots.filter(({ answered }) => answered).length;
    this.#ceiling = { instances: Math.max(1, running), until: Date.now() + REFUSED_MS };
  }

  release(instance: number): void {
    const slot = this.#slot(instance);
    slot.open--;
    slot.idleSince = Date.now();
    this.#waiting.shift()?.();
  }

  #choose(terms: RouteTerms): number | undefined {
    const now = Date.now();
    const max = now < this.#ceiling.until ? Math.min(terms.max, this.#ceiling.instances) : terms.max;
    const instances = this.#slots.map((slot) => this.#instance(slot, now));
    return choose(instances, { ...terms, max, min: Math.min(terms.min, max) });
  }

  /** One that nobody has used for `sleepAfter` has gone to sleep. */
  #instance(slot: Slot, now: number): Instance {
    if (slot.open === 0 && now >= slot.idleSince + this.sleepAfterMs()) slot.answered = false;
    return { open: slot.open, phase: slot.answered ? "ready" : slot.open > 0 ? "starting" : "cold" };
  }

  #slot(index: number): Slot {
    for (let next = this.#slots.length; next <= index; next++) this.#slots.push(new Slot());
    return this.#slots[index] as Slot;
  }

  /** Waits until a place is given back; false if that takes longer than `ms`. */
  #turn(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== go);
        resolve(false);
      }, ms);
      const go = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#waiting.push(go);
    });
  }
}

/** Held by whoever has a place. The runtime disposes of it when its last holder has, or has gone: no request that died keeps a place. */
export class Hold extends RpcTarget {
  #router: Router | undefined;
  #instance: number;

  constructor(router: Router, instance: number) {
    super();
    this.#router = router;
    this.#instance = instance;
  }

  answered(): void {
    this.#router?.answered(this.#instance);
  }

  refused(): void {
    this.#router?.refused();
  }

  [Symbol.dispose](): void {
    this.#router?.release(this.#instance);
    this.#router = undefined;
  }
}
