import { ActivityTracker } from "./activity.js";
import { ContainerFields, containerOf } from "./container-fields.js";
import { durationMs } from "./duration.js";
import { exec } from "./exec/exec.js";
import type { ExecSession } from "./exec/session.js";
import { Forwarder } from "./forward.js";
import { Lifecycle } from "./lifecycle.js";
import { MemoryRestarts } from "./out-of-memory.js";
import { outboundOf } from "./outbound/outbound-container.js";
import { RoutedContainer } from "./route/routed-container.js";
import { alarmsOf } from "./schedule-methods.js";
import { signalNumber } from "./signals.js";
import { type DirectorySnapshotOptions, snapshotContainer, snapshotDirectory } from "./snapshots.js";
import { startAndWait, startOnly, waitOnPort } from "./start.js";
import { StateStore } from "./state-store.js";
import { type RequestInitWithPort, requestAndPort, targetPort } from "./target.js";
import type {
  CancellationOptions,
  ContainerOptions,
  ContainerStartConfigOptions,
  ContainerStartOptions,
  Signal,
  SignalInteger,
  StartAndWaitForPortsOptions,
  State,
  WaitOptions,
} from "./types.js";
import { WebSockets } from "./websockets.js";

const HARD_TIMEOUT = "LONGSHORE_HARD_TIMEOUT_MS";
const ANSWERS_OUTBOUND = "LONGSHORE_ANSWERS_OUTBOUND";

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
export class Container<Env = Cloudflare.Env> extends RoutedContainer<Env> {
  #container: NonNullable<DurableObjectState["container"]>;
  #store: StateStore;
  #lifecycle: Lifecycle;
  #activity: ActivityTracker;
  #restarts: MemoryRestarts;
  #forwarder: Forwarder;

  constructor(ctx: DurableObjectState, env: Env, options: ContainerOptions = {}) {
    super(ctx, env);
    const { storage } = ctx;
    const container = containerOf(ctx, new.target.name);
    const outbound = outboundOf(this);
    this.#container = container;
    this.#store = new StateStore(ctx);
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
    this.#activity = new ActivityTracker(storage, alarmsOf(this), {
      sleepAfterMs: () => durationMs(this.sleepAfter),
      isRunning: () => this.#lifecycle.run !== undefined,
      isAwake: () => this.#lifecycle.run !== undefined && this.#lifecycle.run.signalledAt === undefined,
      expired: () => this.onActivityExpired(),
      hold: (ms) => ctx.waitUntil(container.setInactivityTimeout(ms)),
    });
    const sockets = new WebSockets(this.#activity, ctx);
    this.#forwarder = new Forwarder(this.#lifecycle, this.#activity, sockets, { pingEndpoint: () => this.pingEndpoint, hasStartHook });
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
    await this.#inUse(() => startOnly(this.#lifecycle, startOptions ?? {}, waitOptions ?? {}));
  }

  /** Starts the container if it does not run, and resolves when its ports answer and `onStart` has run. */
  startAndWaitForPorts(args?: StartAndWaitForPortsOptions): Promise<void>;
  startAndWaitForPorts(
    ports?: number | number[],
    cancellationOptions?: CancellationOptions,
    startOptions?: ContainerStartConfigOptions,
  ): Promise<void>;
  startAndWaitForPorts(
    portsOrArgs?: number | number[] | StartAndWaitForPortsOptions,
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
    const number = signalNumber(signal);
    this.#restarts.cancel();
    await this.#lifecycle.signal(number, this.#activity.expiring ? "idle" : "stop");
    if (this.#lifecycle.run !== undefined) this.#activity.stopping();
  }

  /** Kills the container's process and resolves when it is gone and `onStop` has run. */
  async destroy(): Promise<void> {
    this.#restarts.cancel();
    await this.#lifecycle.destroy();
  }

  /** What is known of the container: its status, what keeps it awake, how it stopped last. */
  async getState(): Promise<State> {
    await this.#lifecycle.noteMissedExit();
    await this.#lifecycle.explain();
    const { uses, sleepsAt } = this.#activity;
    const awake = this.#lifecycle.run === undefined ? {} : { inUse: uses, ...(sleepsAt === undefined ? {} : { sleepsAt }) };
    return { ...this.#store.get(), ...awake } as State;
  }

  /**
   * Runs a command in the container, which is started if it does not run and stays awake until the command has ended.
   *
   * @example
   * const { stdout } = await (await this.exec(["git", "status"], { cwd: "/src" })).output();
   */
  async exec(command: string[], options?: ContainerExecOptions): Promise<ExecSession> {
    return exec(this.#container, this.#lifecycle, this.#activity, command, options);
  }

  /** Saves a directory of the running container; `directorySnapshots` of a start restores it. Needs the compatibility flag `experimental`. */
  async snapshotDirectory(options: DirectorySnapshotOptions): Promise<ContainerDirectorySnapshot> {
    return this.#inUse(() => snapshotDirectory(this.#container, this.#lifecycle, options));
  }

  /** Saves the disk of the running container; `containerSnapshot` of a start restores it. */
  async snapshotContainer(options: ContainerSnapshotOptions = {}): Promise<ContainerSnapshot> {
    return this.#inUse(() => snapshotContainer(this.#container, this.#lifecycle, options));
  }

  /** Starts `sleepAfter` anew, as each request does by itself. */
  renewActivityTimeout(): void {
    this.#activity.renew();
  }

  /** Belongs to the class: use `schedule` to be called later. */
  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    await super.alarm(info);
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
    this.#activity.begin("calls");
    try {
      return await work();
    } finally {
      this.#activity.end("calls");
    }
  }

  #startOptions(given: ContainerStartConfigOptions): ContainerStartOptions {
    const { directorySnapshots, containerSnapshot, image } = given;
    const entrypoint = given.entrypoint ?? this.entrypoint;
    const labels = given.labels ?? this.labels ?? {};
    const hardTimeout = given.hardTimeout ?? this.hardTimeout;
    return {
      // Variables for the engine, which keeps them to itself: the runtime does not pass its own option on.
      env: {
        ...(given.envVars ?? this.envVars),
        ...(hardTimeout === undefined ? {} : { [HARD_TIMEOUT]: String(hardTimeout) }),
        ...(outboundOf(this).answers ? { [ANSWERS_OUTBOUND]: "1" } : {}),
      },
      enableInternet: given.enableInternet ?? this.enableInternet ?? false,
      ...(entrypoint === undefined ? {} : { entrypoint }),
      ...(directorySnapshots === undefined ? {} : { directorySnapshots }),
      ...(containerSnapshot === undefined ? {} : { containerSnapshot }),
      ...(image === undefined ? {} : { image }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
    } as ContainerStartOptions;
  }
}
