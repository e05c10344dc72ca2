import { constants } from "node:os";
import type { ExitReason, ExitRecord, InstanceInfo, InstanceStatus } from "@longshore/contract";
import { LongshoreError } from "@longshore/contract";
import type { NetworkNamespace } from "../network/namespace.js";
import { isInit, type LateCommand, NEVER_TOLD } from "../sandbox/late-command.js";
import { alarm } from "../sys/alarm.js";
import { firstChild, signalProcess } from "../sys/process.js";
import type { InstanceRecord } from "./record.js";
import { type InstanceEvent, nextStatus } from "./state.js";

export interface InstanceActions {
  /** Makes the record durable. */
  save(record: InstanceRecord): void;
  /** Applies the CPU quota: from now on the instance gets what its type says. */
  throttle(id: string, vcpu: number): void;
  /** Stops its processes from running, or lets them go on. */
  setFrozen(id: string, frozen: boolean): void;
  /** The last of those who waited for the instance's end has gone. */
  unwatched(instance: Instance): void;
}

/** The parts of a sandbox that an instance uses. After a re-adoption there is nothing to launch any more. */
export interface InstanceSandbox {
  /** `undefined` once the process has ended. */
  readonly network: NetworkNamespace | undefined;
  launch?(command: LateCommand): void;
}

/** Applications that open no port get their quota after this time, and count as running. */
const BOOST_MS = 20_000;
/** The first request is part of the start: it has the processor to itself, and its bytes do not wait for the quota to be written. */
const FIRST_ANSWER_MS = 10;

/** One life of one container. All changes of state go through {@link InstanceEvent}s. */
export class Instance {
  readonly record: InstanceRecord;
  /** Resolves when the process has ended and its end is recorded. */
  readonly exited: Promise<ExitRecord>;
  /** Ports that have accepted a connection in this life. */
  readonly openPorts = new Set<number>();
  readonly #sandbox: InstanceSandbox;
  readonly #actions: InstanceActions;
  #boost: NodeJS.Timeout | undefined;
  #lastArrival = Number.NEGATIVE_INFINITY;
  #watchers = 0;
  readonly #noticing = new Set<() => void>();
  #givenBack = false;
  /** When the first port answered; `undefined` while none has. */
  #readyAt: number | undefined;
  #resolveExited: (exit: ExitRecord) => void = () => undefined;

  constructor(record: InstanceRecord, sandbox: InstanceSandbox, actions: InstanceActions) {
    this.record = record;
    this.#sandbox = sandbox;
    this.#actions = actions;
    this.exited = new Promise((resolve) => {
      this.#resolveExited = resolve;
    });
    if (record.exit !== undefined) this.#resolveExited(record.exit);
    this.#keepDeadlines();
    if (record.status === "starting") this.#boostFor(BOOST_MS);
    else if (this.live && record.status !== "created") {
      this.#readyAt = Number.NEGATIVE_INFINITY;
      this.#boostFor(0);
    }
  }

  get status(): InstanceStatus {
    return this.record.status;
  }

  /** The container's network; `undefined` when it has ended. */
  get network(): NetworkNamespace | undefined {
    return this.live ? this.#sandbox.network : undefined;
  }

  /** True while a process of it may exist. */
  get live(): boolean {
    return this.status !== "exited";
  }

  get info(): InstanceInfo {
    const { id, tenant, namespaceId, durableObjectId, applicationId, version, image, status, createdAt, exit } = this.record;
    const common = { id, tenant, namespaceId, durableObjectId, applicationId, version, image, status, createdAt };
    return exit === undefined ? common : { ...common, exit };
  }

  /** Lets the sandbox become the container's command. Errors: `CONFLICT` when it was started before. */
  start(): void {
    if (this.#givenBack) {
      this.#givenBack = false;
      return;
    }
    if (nextStatus(this.status, "start") === undefined || this.#sandbox.launch === undefined) {
      throw new LongshoreError("CONFLICT", `The container ${this.record.name} was started before; it is ${this.status}.`);
    }
    this.record.startedAt = new Date().toISOString();
    this.#move("start");
    const { argv, environment, executable } = this.record;
    this.#sandbox.launch({ argv, environment, executable });
    this.#keepDeadlines();
    this.#boostFor(BOOST_MS);
  }

  /**
   * Somebody waits for the end of the instance, until disposed. To its Worker one that nobody waits for does not run: the Worker has lost sight of
   * it, with an engine that was restarted.
   */
  watched(): Disposable {
    this.#watchers++;
    return {
      [Symbol.dispose]: () => {
        this.#watchers--;
        if (this.#watchers > 0) return;
        this.#actions.unwatched(this);
        for (const notice of [...this.#noticing]) notice();
      },
    };
  }

  /** True while somebody waits for the end of the instance. */
  get isWatched(): boolean {
    return this.#watchers > 0;
  }

  /** Resolves when nobody waits for the end of the instance any more: whoever did has read of it, and hung up. Or after `ms`. */
  async noticed(ms: number): Promise<void> {
    if (this.#watchers === 0) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#noticing.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms).unref();
      this.#noticing.add(done);
    });
  }

  /**
   * The Worker asks for a new container in place of this one. If it has lost sight of this one, and asks for just the same (`requested` is the
   * request's fingerprint), this one is given back to it, with its disk and memory, and the start that follows changes nothing.
   */
  giveBack(requested: string | undefined): boolean {
    const lives = this.status === "starting" || this.status === "running" || this.status === "frozen";
    if (!lives || this.#watchers > 0 || this.record.requested !== requested) return false;
    this.#givenBack = true;
    return true;
  }

  /** Adds variables that nobody has set. They are for a process that starts: afterwards it is too late, and nothing happens. */
  addVariables(variables: Readonly<Record<string, string>>): void {
    if (this.status !== "created") return;
    this.record.environment = { ...variables, ...this.record.environment };
    this.#actions.save(this.record);
  }

  /** A port accepted a connection. The first time, the start is over. */
  ready(port: number): void {
    this.openPorts.add(port);
    this.#readyAt ??= performance.now();
    if (this.status !== "starting") return;
    this.#move("ready");
    this.#boostFor(FIRST_ANSWER_MS);
  }

  /** Stops all of its processes from running; their memory stays. Errors: `CONFLICT` when it is stopping, ended, or was not started. */
  freeze(): void {
    if (nextStatus(this.status, "freeze") === undefined) {
      throw new LongshoreError("CONFLICT", `The container ${this.record.name} is ${this.status} and cannot be frozen.`);
    }
    if (this.status === "starting") this.#throttle();
    this.#actions.setFrozen(this.record.id, true);
    this.#move("freeze");
  }

  /** Something came in for the container: it goes on if it is frozen. Cheap, for it is called with every piece of every connection. */
  arrived(): void {
    this.#lastArrival = performance.now();
    if (this.status === "frozen") this.wake();
  }

  /** Milliseconds since something last came in for the container. */
  get quietMs(): number {
    return performance.now() - this.#lastArrival;
  }

  /** Milliseconds since the first port answered; 0 while none has. */
  get readyForMs(): number {
    return this.#readyAt === undefined ? 0 : performance.now() - this.#readyAt;
  }

  /** Lets a frozen container go on; does nothing to any other. */
  wake(): void {
    if (this.status !== "frozen") return;
    this.#actions.setFrozen(this.record.id, false);
    this.#move("thaw");
  }

  /** After a restart of the engine: what the kernel says is true. */
  foundFrozen(frozen: boolean): void {
    if (frozen && nextStatus(this.status, "freeze") !== undefined) this.#move("freeze");
    else if (frozen) this.#actions.setFrozen(this.record.id, false);
    else if (this.status === "frozen") this.#move("thaw");
  }

  /** Sends a signal that asks for no end. Returns false when the process has ended. */
  notify(signal: NodeJS.Signals | number): boolean {
    this.wake();
    return this.live && this.#deliver(signal);
  }

  /** Sends a signal that asks the process to end; `reason` is what the exit will be put down to. Returns false when the process has ended. */
  signal(signal: NodeJS.Signals | number, reason: ExitReason): boolean {
    if (!this.live) return false;
    const wasFrozen = this.status === "frozen";
    if (nextStatus(this.status, "stop") !== undefined) {
      this.record.stopReason ??= reason;
      this.#move("stop");
    }
    const sent = this.#deliver(signal);
    // Only now: what is killed in its sleep does not run again before.
    if (wasFrozen) this.#actions.setFrozen(this.record.id, false);
    return sent;
  }

  /** Asks the process to end: `signal` now, SIGKILL after the grace, which a restart of the engine does not lengthen. */
  stop(signal: NodeJS.Signals | number, reason: ExitReason, graceMs: number): void {
    const killAt = Date.now() + graceMs;
    this.signal(signal, reason);
    if (!this.live || killAt >= (this.record.killAt ?? Number.POSITIVE_INFINITY)) return;
    this.record.killAt = killAt;
    this.#actions.save(this.record);
    this.#killAt(killAt, reason);
  }

  /** Whether a process that ended with this code was ever told to run its program: the engine may have been killed right before. */
  hasRun(code: number): boolean {
    return this.record.startedAt !== undefined && (this.#sandbox.launch !== undefined || code !== NEVER_TOLD);
  }

  /** The process has ended. Idempotent. */
  end(exit: ExitRecord): void {
    if (!this.live) return;
    this.record.exit = exit;
    this.#move("exit");
    clearTimeout(this.#boost);
    // Whoever remembers the instance for a while, as its execs do, need not remember its timer.
    this.#boost = undefined;
    this.#sandbox.network?.[Symbol.dispose]();
    this.#resolveExited(exit);
  }

  /** The program is the shim's child, unless it is an init (sandbox/late-command.ts); a kill is for all. */
  #deliver(signal: NodeJS.Signals | number): boolean {
    if (signal === "SIGKILL" || signal === constants.signals.SIGKILL) return signalProcess(this.record.process, "SIGKILL");
    const program = isInit(this.record.argv) ? this.record.process : firstChild(this.record.process);
    return program !== undefined && signalProcess(program, signal);
  }

  /** Of a process that was started, by this engine or by one before. */
  #keepDeadlines(): void {
    const { startedAt, hardTimeoutMs, killAt, stopReason } = this.record;
    if (killAt !== undefined) this.#killAt(killAt, stopReason ?? "signal");
    if (startedAt !== undefined && hardTimeoutMs !== undefined) this.#killAt(Date.parse(startedAt) + hardTimeoutMs, "timeout");
  }

  #killAt(time: number, reason: ExitReason): void {
    if (!this.live) return;
    const kill = alarm(time, () => this.signal("SIGKILL", reason));
    void this.exited.then(() => kill[Symbol.dispose]());
  }

  /** This engine lets go of it: it runs on, and the next engine sees to its quota. */
  leave(): void {
    clearTimeout(this.#boost);
  }

  /** Full speed for so long, then the quota; an application that has opened no port by then counts as one that will open none. */
  #boostFor(ms: number): void {
    clearTimeout(this.#boost);
    this.#boost = setTimeout(() => {
      if (this.status === "starting") this.#move("ready");
      this.#throttle();
    }, ms).unref();
  }

  #throttle(): void {
    clearTimeout(this.#boost);
    if (this.live) this.#actions.throttle(this.record.id, this.record.vcpu);
  }

  #move(event: InstanceEvent): void {
    const next = nextStatus(this.status, event);
    if (next === undefined)
      throw new LongshoreError("CONFLICT", `A container that is ${this.status} cannot ${event} (${this.record.name}).`);
    this.record.status = next;
    this.#actions.save(this.record);
  }
}
