import { engineAccount, explained, lastStop } from "./engine-account.js";
import { ExitWatch } from "./exit-watch.js";
import { isUp } from "./is-up.js";
import { type Exit, Run } from "./run.js";
import { StartLimit } from "./start-limit.js";
import type { StateStore } from "./state-store.js";
import type { ContainerStartConfigOptions, ContainerStartOptions, LastStop, State, StopCause, StopParams } from "./types.js";
import { within } from "./wait.js";

type ContainerHandle = NonNullable<DurableObjectState["container"]>;

/** What the life of a container needs from the class around it. */
export interface LifecycleHost {
  /** The options of a start: those given, over the class's own. */
  startOptions(given: ContainerStartConfigOptions): ContainerStartOptions;
  /** What has to be done before a start; `undefined`, at once, if nothing has. The process is not started if it rejects. */
  beforeStart(given: ContainerStartConfigOptions): Promise<void> | undefined;
  /** False if `onStart` is the empty default. */
  hasStartHook(): boolean;
  onStart(): void | Promise<void>;
  onStop(params: StopParams): void | Promise<void>;
  onError(error: unknown): unknown;
  /** A process was started. */
  began(): void;
  /** The process has ended. */
  ended(): void;
  /** The process was killed, and not by its object; `onStop` has run. */
  killed(run: Run): void;
  /** The process runs, but the runtime no longer hears of its exit. */
  lost(): void;
}

/** How long a new request waits for a container that was told to stop, before it takes the signal for ignored and uses it as it is. */
const STOP_GRACE_MS = 3000;
/** Exit codes of a process that a signal ended: 128 and the signal's number. */
const EXIT_SIGINT = 130;
/** Sent by `destroy()`, at the end of a grace period, and by the kernel when memory runs out. */
export const EXIT_SIGKILL = 137;
const EXIT_SIGTERM = 143;
/** The engine takes this signal for the whole container: it freezes it. */
const SIGSTOP = 19;

/**
 * Starts and stops the process, one at a time, and knows which of its lives is the present one.
 *
 *     none ──begin──▶ run ──signal──▶ run (signalled) ──exit──▶ none
 *                      └──────────────exit──────────────────────▲
 */
export class Lifecycle {
  /** The present life; `undefined` while no process runs. */
  run: Run | undefined;
  /** A start that waits for what has to be done before it. */
  #beginning: Promise<Run> | undefined;
  /** The last run that ended, until the engine was asked about it. */
  #last: { readonly run: Run; readonly stop: LastStop } | undefined;
  #limit = new StartLimit();
  #stopHook: Promise<void> = Promise.resolve();
  #watch: ExitWatch;

  constructor(
    private readonly ctx: DurableObjectState,
    private readonly container: ContainerHandle,
    private readonly store: StateStore,
    private readonly host: LifecycleHost,
  ) {
    this.#watch = new ExitWatch(container, { ended: (run, code) => this.#end(run, code), lost: () => host.lost() });
    if (!container.running) return;
    this.run = this.#watch.begin(new Run(container, true));
    // Whoever started it may have ended before that was written down.
    if (!mayRun(store.get().status)) store.set("running");
  }

  /**
   * The present run; starts one if there is none. One that was told to stop is waited for a moment, and replaced once it has ended.
   * Throws what `ctx.container.start` throws for invalid options. That the process really starts is seen on its ports.
   */
  async acquire(given: ContainerStartConfigOptions = {}): Promise<Run> {
    for (;;) {
      const run = this.run;
      if (run === undefined) return this.#begin(given);
      if (run.signalledAt === undefined) return run;
      const left = run.signalledAt + STOP_GRACE_MS - Date.now();
      if (left <= 0 || (await within(left, run.over)) === undefined) return run;
    }
  }

  /** Calls `onStart` once in a run. Requests from outside wait until it has finished; those that it makes itself do not. */
  async started(run: Run): Promise<void> {
    if (run.hook !== "pending") return;
    if (!this.host.hasStartHook()) {
      run.hook = "done";
      return;
    }
    run.hook = "running";
    // A failure must not leave the critical section: the runtime would reset the object.
    const failure = await this.ctx.blockConcurrencyWhile(async () => {
      try {
        const done = this.host.onStart();
        if (done instanceof Promise) this.#watch.alsoInside(run);
        await done;
        return undefined;
      } catch (error) {
        return { error };
      }
    });
    run.hook = failure === undefined ? "done" : "pending";
    if (failure !== undefined) throw failure.error;
  }

  /** Notes that the process has answered on a port. */
  answered(run: Run, port: number): void {
    if (run.readyPorts.has(port)) return;
    run.readyPorts.add(port);
    if (this.run === run && this.store.get().status === "running") this.store.set("healthy");
  }

  /** Tells `onError` of a failed start, once per run; what the hook does with it changes nothing for the caller. */
  async report(run: Run, error: unknown): Promise<void> {
    if (run.reported) return;
    run.reported = true;
    try {
      await this.host.onError(error);
    } catch (thrown) {
      if (thrown !== error) console.error("onError failed:", thrown);
    }
  }

  /** Sends a signal to the process, if one runs. Does not wait for its end. */
  async signal(signo: number, cause: StopCause = "stop"): Promise<void> {
    await this.#begun();
    await this.noteMissedExit();
    const { run } = this;
    if (run === undefined || !this.container.running) return;
    this.container.signal(signo);
    run.signalledAt ??= Date.now();
    run.toldBy ??= cause;
    this.store.set("stopping");
  }

  /** Lets the engine freeze the process. That is no end: the run goes on, and the engine wakes the process for the next connection. */
  freeze(): void {
    if (this.run === undefined || this.run.signalledAt !== undefined || !this.container.running) return;
    this.container.signal(SIGSTOP);
  }

  /** Kills the process and waits until it is gone and `onStop` has run. */
  async destroy(): Promise<void> {
    await this.#begun();
    const { run } = this;
    if (run !== undefined) {
      run.signalledAt ??= Date.now();
      run.toldBy ??= "destroy";
      await this.container.destroy();
      await run.over;
    }
    await this.noteMissedExit();
    await this.#stopHook;
  }

  /** Calls `onStop` for a process that ended while this object was not in memory. */
  async noteMissedExit(): Promise<void> {
    if (this.run !== undefined) return;
    const { status } = this.store.get();
    if (!mayRun(status)) return;
    const reason = status === "stopping" ? "runtime_signal" : "exit";
    this.store.setStopped({ cause: "unknown", reason, time: Date.now() });
    await this.#callOnStop({ exitCode: 0, reason });
  }

  /** Writes down what the engine knows of the last stop, while it knows it. */
  async explain(): Promise<void> {
    if (this.#last === undefined || this.run !== undefined) return;
    const { run, stop } = this.#last;
    const fault = await engineAccount(run);
    if (this.#last?.run !== run) return;
    this.#last = undefined;
    if (fault !== undefined) this.store.explain(explained(stop, run.toldBy, fault));
  }

  /** {@link isUp} */
  isUp(): Promise<boolean> {
    return isUp(this.container);
  }

  #begin(given: ContainerStartConfigOptions): Run | Promise<Run> {
    if (this.#beginning !== undefined) return this.#beginning;
    if (!this.container.running) this.#limit.check();
    const before = this.container.running ? undefined : this.host.beforeStart(given);
    if (before === undefined) return this.#run(given);
    this.#beginning = before
      .then(() => this.#run(given))
      .finally(() => {
        this.#beginning = undefined;
      });
    return this.#beginning;
  }

  #run(given: ContainerStartConfigOptions): Run {
    this.ctx.waitUntil(this.noteMissedExit());
    if (this.container.running) {
      this.run = this.#watch.begin(new Run(this.container, true));
      return this.run;
    }
    const options = this.host.startOptions(given);
    this.container.start(options);
    this.run = this.#watch.begin(new Run(this.container, false));
    this.run.given = given;
    this.run.options = options;
    this.store.set("running");
    this.host.began();
    return this.run;
  }

  /** A start that is under way is one that can be stopped. */
  async #begun(): Promise<void> {
    await this.#beginning?.catch(() => undefined);
  }

  #end(run: Run, code: number | undefined): void {
    if (run.exit !== undefined) return;
    const interrupted = run.signalledAt !== undefined || code === EXIT_SIGINT || code === EXIT_SIGTERM;
    const reason = interrupted || code === EXIT_SIGKILL ? "runtime_signal" : "exit";
    const exit: Exit = { exitCode: code ?? 0, reason, started: code !== undefined, interrupted };
    if (exit.started && exit.exitCode !== 0 && reason === "exit" && run.readyPorts.size === 0 && !run.adopted) this.#limit.failed();
    if (this.run === run) {
      this.run = undefined;
      const stop = lastStop(run, code, reason);
      this.store.setStopped(stop);
      this.#last = { run, stop };
      this.host.ended();
      // What the object asked for, it knows; what else there is to know is asked for when somebody wants it.
      if (exit.started && run.toldBy === undefined) this.ctx.waitUntil(this.explain());
    }
    if (exit.started) this.#stopHook = this.#callOnStop({ exitCode: exit.exitCode, reason: exit.reason });
    if (code === EXIT_SIGKILL && !interrupted) void this.#stopHook.then(() => this.host.killed(run));
    run.ended(exit);
  }

  async #callOnStop(params: StopParams): Promise<void> {
    try {
      await this.host.onStop(params);
    } catch (error) {
      console.error("onStop failed:", error);
    }
  }
}

/** True if a process ran when the state was noted. */
function mayRun(status: State["status"]): boolean {
  return status === "running" || status === "healthy" || status === "stopping";
}
