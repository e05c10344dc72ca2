import { durationMs } from "../duration.js";
import { alarmsOf, ScheduledContainer } from "../schedule-methods.js";
import { type RouteOptions, routeTerms } from "./plan.js";
import { type Place, Router } from "./router.js";

/** The name of the object that knows the load of all others of its class. Its own container never runs. */
export const ROUTER_NAME = "longshore-router";
const WHO = "route";
const KEY = "longshore:route";
/** So long after the last request, the instances that `min` asks for stay awake. */
const KEEP_MS = 24 * 3_600_000;

interface Keep {
  readonly min: number;
  readonly until: number;
}

export function instanceName(index: number): string {
  return `route-${index}`;
}

/** What `route` asks of a class's objects: one of them hands out places in the others. */
export abstract class RoutedContainer<Env = Cloudflare.Env> extends ScheduledContainer<Env> {
  #router: Router | undefined;
  #keep: Keep | undefined;

  /** For `route`. A place for one request; `undefined` if all instances are full for too long. Throws a `TypeError` for wrong options. */
  async routePlace(options: RouteOptions): Promise<Place | undefined> {
    const terms = routeTerms(options);
    this.#router ??= new Router(() => durationMs(this.sleepAfter));
    this.#keepAwake(terms.min);
    return this.#router.place(terms);
  }

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    await super.alarm(info);
    this.#keep ??= this.ctx.storage.kv.get<Keep>(KEY);
    if (this.#keep !== undefined) await this.#wake(this.#keep);
  }

  /** Written down seldom, since it says little. */
  #keepAwake(min: number): void {
    const until = Date.now() + KEEP_MS;
    if (min === (this.#keep?.min ?? 0) && (min === 0 || until - (this.#keep?.until ?? 0) < KEEP_MS / 24)) return;
    this.#keep = { min, until };
    this.ctx.storage.kv.put(KEY, this.#keep);
    this.ctx.waitUntil(this.#wake(this.#keep));
  }

  async #wake({ min, until }: Keep): Promise<void> {
    const now = Date.now();
    alarmsOf(this).wish(WHO, min > 0 && now < until ? now + durationMs(this.sleepAfter) / 2 : undefined);
    if (now >= until) return;
    const namespace = this.#namespace();
    const stubs = Array.from({ length: min }, (_, index) => namespace?.getByName(instanceName(index)));
    const woken = await Promise.allSettled(stubs.map((stub) => stub?.start()));
    for (const result of woken) if (result.status === "rejected") console.error("An instance could not be kept awake:", result.reason);
  }

  /** The namespace that this object is in: the one where its name leads to it. */
  #namespace(): DurableObjectNamespace<Startable> | undefined {
    const { exports, id } = this.ctx as { exports?: Record<string, DurableObjectNamespace<Startable>>; id: DurableObjectId };
    const namespace = exports?.[this.constructor.name];
    // Compared with true, since a service answers every call with something.
    if (namespace?.idFromName(ROUTER_NAME).equals(id) === true) return namespace;
    console.warn(
      `route(): min needs a compatibility date of 2025-11-17 or later, and ${this.constructor.name} exported under its own name.`,
    );
    return undefined;
  }
}

interface Startable extends Rpc.DurableObjectBranded {
  start(): Promise<void>;
}
