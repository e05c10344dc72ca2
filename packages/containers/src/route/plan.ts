/** How many instances `route` may use, and for how much. */
export interface RouteOptions {
  /** So many stay awake for a day after the last request, whether or not there is anything to do. Default 0. */
  min?: number;
  /** So many may run. Default 10. */
  max?: number;
  /** So many requests one instance has at a time; a body that is being read and an open WebSocket count. Default 10. */
  concurrency?: number;
  /** How long a request waits for a place when all instances are full, in milliseconds. Default 10,000. */
  queueMs?: number;
}

export type RouteTerms = Required<RouteOptions>;

/** An instance as the router sees it: its index is its place in the list. */
export interface Instance {
  /** Requests that have a place in it. */
  readonly open: number;
  /** `cold`: a request would have to start it, as far as is known; `closed`: the platform would not let it. */
  readonly phase: "cold" | "starting" | "ready" | "closed";
}

const DEFAULTS: RouteTerms = { min: 0, max: 10, concurrency: 10, queueMs: 10_000 };
const MAX_INSTANCES = 1000;

/** The options with their defaults. Throws a `TypeError` that names the one that makes no sense. */
export function routeTerms(options: RouteOptions): RouteTerms {
  const terms = { ...DEFAULTS, ...options };
  const whole = (name: keyof RouteTerms, least: number, most: number) => {
    if (Number.isInteger(terms[name]) && terms[name] >= least && terms[name] <= most) return;
    throw new TypeError(`route(): ${name} is ${terms[name]}: it must be a whole number from ${least} to ${most}.`);
  };
  whole("max", 1, MAX_INSTANCES);
  whole("min", 0, terms.max);
  whole("concurrency", 1, 1_000_000);
  whole("queueMs", 0, 3_600_000);
  return terms;
}

/**
 * The instance for one more request: the least loaded of the running ones that are needed for the load, so that the others can go to sleep; a new one if
 * all are full. `undefined` if there is no place. One that runs goes before one that is starting. Pure.
 */
export function choose(instances: readonly Instance[], { min, max, concurrency }: RouteTerms): number | undefined {
  const open = instances.reduce((sum, instance) => sum + instance.open, 0);
  const needed = Math.min(max, Math.max(min, 1, Math.ceil((open + 1) / concurrency)));
  const indices = Array.from({ length: max }, (_, index) => index);
  const phase = (index: number) => instances[index]?.phase ?? "cold";
  const load = (index: number) => instances[index]?.open ?? 0;
  const running = indices.filter((index) => phase(index) === "ready" || phase(index) === "starting");
  const free = running.slice(0, needed).filter((index) => load(index) < concurrency);
  const rank = (index: number) => (phase(index) === "ready" ? 0 : concurrency) + load(index);
  const [best] = free.sort((a, b) => rank(a) - rank(b) || a - b);
  if (best !== undefined) return best;
  return indices.find((index) => phase(index) === "cold") ?? running.find((index) => load(index) < concurrency);
}
