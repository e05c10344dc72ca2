import { RpcTarget } from "cloudflare:workers";
import { choose, type Instance, type RouteTerms } from "./plan.js";

/** How long an instance that the platform has refused to start is not tried again, nor one that has never run. */
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
  /** Whether it has ever answered: its class may have left it running. */
  ran = false;
  idleSince = 0;
  closedUntil = 0;
}

/** The one who knows how much each instance has to do: every request asks it, so that there is one truth. In memory: places end with the process. */
export class Router {
  #slots: Slot[] = [];
  #waiting: Array<() => void> = [];
  /** Until then no instance is tried that has never run. */
  #refusingUntil = 0;

  constructor(private readonly sleepAfterMs: () => number) {}

  /** A place in the instance that is to have the next request; waits for one, in turn, if all are full. `undefined`: none became free in time, or will. */
  async place(terms: RouteTerms): Promise<Place | undefined> {
    const deadline = Date.now() + terms.queueMs;
    // Nobody passes those who wait already.
    let chosen = this.#waiting.length === 0 ? this.#choose(terms) : undefined;
    while (chosen === undefined) {
      const left = deadline - Date.now();
      const willBeFree = this.#slots.some(({ open }) => open > 0);
      if (!willBeFree || left <= 0 || !(await this.#turn(left))) return undefined;
      chosen = this.#choose(terms);
    }
    const slot = this.#slot(chosen);
    slot.open++;
    return { instance: chosen, fresh: !slot.answered, hold: new Hold(this, chosen) };
  }

  answered(instance: number): void {
    const slot = this.#slot(instance);
    slot.answered = true;
    slot.ran = true;
    slot.closedUntil = 0;
  }

  /** The platform does not let this instance run beside the others. */
  refused(instance: number): void {
    this.#refusingUntil = Date.now() + REFUSED_MS;
    this.#slot(instance).closedUntil = this.#refusingUntil;
  }

  release(instance: number): void {
    const slot = this.#slot(instance);
    slot.open--;
    slot.idleSince = Date.now();
    this.#waiting.shift()?.();
  }

  #choose(terms: RouteTerms): number | undefined {
    const now = Date.now();
    // Those that nobody has used yet come after.
    if (now < this.#refusingUntil) this.#slot(terms.max - 1);
    return choose(
      this.#slots.map((slot) => this.#instance(slot, now)),
      terms,
    );
  }

  /** One that nobody has used for `sleepAfter` has gone to sleep, unless its class has other plans: then it is found to run when it is used again. */
  #instance(slot: Slot, now: number): Instance {
    if (slot.open === 0 && now >= slot.idleSince + this.sleepAfterMs()) slot.answered = false;
    if (slot.answered) return { open: slot.open, phase: "ready" };
    if (now < slot.closedUntil || (!slot.ran && slot.open === 0 && now < this.#refusingUntil)) return { open: slot.open, phase: "closed" };
    return { open: slot.open, phase: slot.open > 0 ? "starting" : "cold" };
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
    this.#router?.refused(this.#instance);
  }

  [Symbol.dispose](): void {
    this.#router?.release(this.#instance);
    this.#router = undefined;
  }
}
