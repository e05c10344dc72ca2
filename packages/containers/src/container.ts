import { ActivityTracker } from "./activity.js";
import { AlarmClock } from "./alarm-clock.js";
import { ContainerFields, containerOf } from "./container-fields.js";
import { durationMs } from "./duration.js";
import { Forwarder } from "./forward.js";
import { LaterWrites } from "./later-writes.js";
import { Lifecycle } from "./lifecycle.js";
import { MemoryRestarts } from "./out-of-memory.js";
import { OutboundContainer, outboundOf } from "./outbound/outbound-container.js";
import { Schedules } from "./schedules.js";
import { signalNumber } from "./signals.js";
import { startAndWait, startOnly, waitOnPort } from "./start.js";
import { StateStore } from "./state-store.js";
import { type RequestInitWithPort, requestAndPort, targetPort } from "./target.js";
import type {
  CancellationOptions,
  ContainerOptions,
  ContainerStartConfigOptions,
  ContainerStartOptions,
  Schedule,
  Signal,
  SignalInteger,
  StartAndWaitForPortsOptions,
  State,
  WaitOptions,
} from "./types.js";

const HARD_TIMEOUT = "LONGSHORE_HARD_TIMEOUT_MS";

/**
 * A Durable Object with a container: subclass it, set the fields, and requests to it reach the program in the container, which is started when
 * it is needed and stopped when it has been idle for `sleepAfter`.
 *
 * @example
 * export class MyContainer extends Container {
 *   defaultPort = 8080;
 *   sleepAfter = "5m";
 * }
 */
export class Container<Env = Cloudflare.Env> extends OutboundContainer<Env> {
  #store: StateStore;
  #alarms: AlarmClock;
  #schedules: Schedules;
  #lifecycle: Lifecycle;
  #activity: ActivityTracker;
  #restarts: MemoryRestarts;
  #forwarder: Forwarder;

  constructor(ctx: DurableObjectState, env: Env, options: ContainerOptions = {}) {
    super(ctx, env);
    const { storage } = ctx;
    const container = containerOf(ctx, new.target.name);
    const outbound = outboundOf(this);
    const later = new LaterWrites();
    this.#store = new StateStore(ctx, later);
    this.#alarms = new AlarmClock(storage, later);
    this.#schedules = new Schedules(storage, this.#alarms);
    const { onStart, containerStarted } = ContainerFields.prototype;
    const hasStartHook = () => this.onStart !== onStart || this.containerStarted !== containerStarted;
    this.#lifecycle = new Lifecycle(ctx, container, this.#store, {
      startOptions: (given) => this.#startOptions(given),
      beforeStart: (given) => outbound.beforeStart(given.enableInternet ?? this.enableInternet),
      hasStartHook,
      onStart: () => this.onStart(),
      onStop: (params) => this.onStop(params),
      onError: (error) => this.onError(error),
      began: () => this.#activity.began(),
      ended: () => {
        outbound.ended();
        this.#activity.ended();
      },
      killed: (run) => ctx.waitUntil(this.#restarts.after(run)),
      // A new object asks the engine and takes the running container over.
      lost: () => this.#activity.whenIdle(() => ctx.abort("Contact with the container engine was lost; the container is taken over anew.")),
    });
    this.#restarts = new MemoryRestarts(this.#lifecycle, (given) => this.start(given));
    this.#activity = new ActivityTracker(storage, this.#alarms, {
      sleepAfterMs: () => durationMs(this.sleepAfter),
      isRunning: () => this.#lifecycle.run !== undefined,
      isAwake: () => this.#lifecycle.run !== undefined && this.#lifecycle.run.signalledAt === undefined,
      expired: () => this.onActivityExpired(),
      hold: (ms) => ctx.waitUntil(container.setInactivityTimeout(ms)),
    });
    this.#forwarder = new Forwarder(this.#lifecycle, this.#activity, { pingEndpoint: () => this.pingEndpoint, hasStartHook });
    this.#use(options);
    // When the subclass's fields are there, and before the first event is.
    queueMicrotask(() => this.#constructed(ctx, container.running));
  }

  /** Called when the container has been idle for `sleepAfter`. If this does not stop it, it is called again after as long. */
  async onActivityExpired(): Promise<void> {
    if (this.sleepMode === "freeze") this.freeze();
    else await this.stop();
  }

  /** Puts the container to sleep with its memory kept, if it runs. The next request wakes it. */
  freeze(): void {
    this.#lifecycle.freeze();
  }

  /** Forwards a request, or a WebSocket, to the container: to `defaultPort`, or to the port that `switchPort` chose. */
  override async fetch(request: Request): Promise<Response> {
    // A subclass that overrides this may read what it gets.
    const untouched = this.fetch === Container.prototype.fetch;
    return this.#forwarder.fetch(request, targetPort(request, this.defaultPort), untouched);
  }

  /** Sends a request to the container, without a detour through an overridden `fetch`. */
  containerFetch(request: Request, port?: number | RequestInitWithPort): Promise<Response>;
  containerFetch(url: string | URL, init?: RequestInit, port?: number): Promise<Response>;
  containerFetch(requestOrUrl: Request | string | URL, portOrInit?: number | RequestInitWithPort, portParam?: number): Promise<Response>;
  async containerFetch(
    requestOrUrl: Request | string | URL,
    portOrInit?: number | RequestInitWithPort,
    portParam?: number,
  ): Promise<Response> {
    const { request, port } = requestAndPort(requestOrUrl, portOrInit, portParam, this.defaultPort);
    return this.#forwarder.fetch(request, port, false);
  }

  /** Starts the container if it does not run, without waiting for a port. Resolves when the process runs and `onStart` has. */
  async start(startOptions?: ContainerStartConfigOptions, waitOptions?: Partial<WaitOptions>): Promise<void> {
    await this.#inUse(() => startOnly(this.#lifecycle, startOptions ?? {}, waitOptions ?? {}, this.defaultPort ?? this.requiredPorts?.[0]));
  }

  /** Starts the container if it does not run, and resolves when its ports answer and `onStart` has run. */
  startAndWaitForPorts(args?: StartAndWaitForPortsOptions): Promise<void>;
  startAndWaitForPorts(
    ports?: number | number[],
    cancellationOptions?: CancellationOptions,
    startOptions?: ContainerStartConfigOptions,
  ): Promise<void>;
  async startAndWaitForPorts(
    portsOrArgs?: number | number[] | StartAndWaitForPortsOptions,
    cancellationOptions?: CancellationOptions,
    startOptions?: ContainerStartConfigOptions,
  ): Promise<void> {
    const args =
      typeof portsOrArgs === "object" && !Array.isArray(portsOrArgs)
        ? portsOrArgs
        : { ports: portsOrArgs, cancellationOptions, startOptions };
    const ports = [args.ports ?? this.requiredPorts ?? this.defaultPort ?? []].flat();
    await this.#inUse(() =>
      startAndWait(this.#lifecycle, ports, this.pingEndpoint, args.cancellationOptions ?? {}, args.startOptions ?? {}),
    );
  }

  /** Waits until a port of the running container answers, and returns the number of tries. */
  async waitForPort(waitOptions: WaitOptions): Promise<number> {
    return this.#inUse(() => waitOnPort(this.#lifecycle, this.pingEndpoint, waitOptions));
  }

  /** Sends a signal to the container's process; does not wait for its end, which `onStop` tells. */
  async stop(signal: Signal | SignalInteger = "SIGTERM"): Promise<void> {
    this.#restarts.cancel();
    await this.#lifecycle.signal(signalNumber(signal));
    if (this.#lifecycle.run !== undefined) this.#activity.stopping();
  }

  /** Kills the container's process and resolves when it is gone and `onStop` has run. */
  async destroy(): Promise<void> {
    this.#restarts.cancel();
    await this.#lifecycle.destroy();
  }

  /** What is known of the container. */
  async getState(): Promise<State> {
    await this.#lifecycle.noteMissedExit();
    return { ...this.#store.get() };
  }

  /** Starts `sleepAfter` anew, as each request does by itself. */
  renewActivityTimeout(): void {
    this.#activity.renew();
  }

  /** Calls the method `callback` with `payload` at a time, or in a number of seconds. */
  async schedule<T = string>(when: Date | number, callback: string, payload?: T): Promise<Schedule<T>> {
    this.#method(callback);
    return this.#schedules.add(when, callback, payload as T);
  }

  async getSchedule<T = string>(id: string): Promise<Schedule<T> | undefined> {
    return this.#schedules.get<T>(id);
  }

  async listSchedules<T = string>(name: string): Promise<Schedule<T>[]> {
    return this.#schedules.list<T>(name);
  }

  deleteSchedules(name: string): void {
    this.#schedules.remove(name);
  }

  /** Belongs to the class: use `schedule` to be called later. */
  override async alarm(_info?: AlarmInvocationInfo): Promise<void> {
    this.#alarms.fired();
    await this.#schedules.runDue(async (schedule) => this.#method(schedule.callback).call(this, schedule.payload, schedule));
    await this.#lifecycle.noteMissedExit();
    await this.#activity.woken();
  }

  #constructed(ctx: DurableObjectState, running: boolean): void {
    if (this.getOptions !== ContainerFields.prototype.getOptions) this.#use(this.getOptions());
    if (running) outboundOf(this).resume((work) => ctx.blockConcurrencyWhile(work));
  }

  #use({ id: _, ...fields }: ContainerOptions): void {
    Object.assign(this, fields);
  }

  async #inUse<T>(work: () => Promise<T>): Promise<T> {
    this.#activity.begin();
    try {
      return await work();
    } finally {
      this.#activity.end();
    }
  }

  #startOptions(given: ContainerStartConfigOptions): ContainerStartOptions {
    const entrypoint = given.entrypoint ?? this.entrypoint;
    const labels = given.labels ?? this.labels ?? {};
    const hardTimeout = given.hardTimeout ?? this.hardTimeout;
    return {
      // A variable for the engine, which keeps it to itself: the runtime does not pass its own option on.
      env: { ...(given.envVars ?? this.envVars), ...(hardTimeout === undefined ? {} : { [HARD_TIMEOUT]: String(hardTimeout) }) },
      enableInternet: given.enableInternet ?? this.enableInternet ?? false,
      ...(entrypoint === undefined ? {} : { entrypoint }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
    } as ContainerStartOptions;
  }

  #method(name: string): (payload: unknown, schedule: unknown) => Promise<void> {
    const method = (this as unknown as Record<string, unknown>)[name];
    if (typeof method !== "function") throw new TypeError(`${this.constructor.name} has no method "${name}" to schedule.`);
    return method as (payload: unknown, schedule: unknown) => Promise<void>;
  }
}
