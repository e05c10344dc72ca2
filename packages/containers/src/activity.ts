import type { AlarmClock } from "./alarm-clock.js";

/** Idle for this long, the deadline is written down: before the runtime evicts the object (70 s at the earliest), seldom enough to cost nothing. */
const SETTLE_MS = 15_000;
/** The alarm is only the second line behind the timer in memory, so it comes a little later. */
const ALARM_SLACK_MS = 500;
/** A container of an evicted object is kept this much longer than its alarm needs. */
const HOLD_SLACK_MS = 60_000;
/** While something is open or the process is stopping, the alarm looks in at this interval at least. */
const MIN_RECHECK_MS = 60_000;
const KEY = "longshore:idle";
const WHO = "idle";

/** Written when the container has settled into idleness. */
interface IdleNote {
  readonly deadline: number;
  readonly boot: string;
}

let boot: string | undefined;
/** Tells an object that was evicted and came back from one whose process was replaced: only the first knows that nothing happened meanwhile. */
function bootId(): string {
  boot ??= crypto.randomUUID();
  return boot;
}

/** What keeps a container awake: `calls` are those of `start` and its like, `streams` bodies that are being read after their request was answered. */
export type Use = "requests" | "streams" | "webSockets" | "execs" | "calls";

export interface ActivityHost {
  /** `sleepAfter` in milliseconds, as it is now. */
  sleepAfterMs(): number;
  /** True while a process runs that has not been told to stop. */
  isAwake(): boolean;
  /** True while a process runs. */
  isRunning(): boolean;
  /** `sleepAfter` has passed with nothing open. */
  expired(): Promise<void>;
  /** Keeps the container alive for this long even if the object is evicted. */
  hold(ms: number): void;
}

/**
 * Knows whether the container is in use: counts what is open (requests, bodies, WebSockets) and notices when nothing has been for `sleepAfter`.
 * One timer in memory, which a request never touches; one alarm in storage for the case that the object is evicted first.
 */
export class ActivityTracker {
  #open = 0;
  #uses: Record<Use, number> = { requests: 0, streams: 0, webSockets: 0, execs: 0, calls: 0 };
  #lastUse: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #expiring = false;
  #whenIdle: (() => void) | undefined;

  constructor(
    private readonly storage: DurableObjectStorage,
    private readonly alarms: AlarmClock,
    private readonly host: ActivityHost,
  ) {}

  /** How much of each is open. */
  get uses(): Readonly<Record<Use, number>> {
    return { ...this.#uses };
  }

  /** When the container will go to sleep if nothing happens, in Unix milliseconds; `undefined` while something is open or no process runs. */
  get sleepsAt(): number | undefined {
    if (this.#open > 0 || !this.host.isAwake() || this.#lastUse === undefined) return undefined;
    return this.#lastUse + this.host.sleepAfterMs();
  }

  /** True while the container is being put to sleep because it was idle. */
  get expiring(): boolean {
    return this.#expiring;
  }

  begin(use: Use = "requests"): void {
    this.add(use, 1);
  }

  end(use: Use = "requests"): void {
    this.add(use, -1);
  }

  /** So many more are open, or fewer. */
  add(use: Use, more: number): void {
    this.#open += more;
    this.#uses[use] += more;
    if (more < 0 && this.#open === 0) this.renew();
  }

  /** A request has become something that stays open. */
  become(use: Use): void {
    this.#uses.requests--;
    this.#uses[use]++;
  }

  /** Starts `sleepAfter` anew. */
  renew(): void {
    this.#lastUse = Date.now();
    if (this.#open > 0) return;
    if (this.#whenIdle !== undefined) this.#whenIdle();
    else if (this.#timer === undefined && this.host.isAwake()) this.#arm();
  }

  /** Calls `task` as soon as nothing is open. */
  whenIdle(task: () => void): void {
    if (this.#open === 0) task();
    else this.#whenIdle = task;
  }

  /** A process was started: soon there is an alarm. */
  began(): void {
    this.#lastUse = Date.now();
    const deadline = this.#lastUse + this.host.sleepAfterMs();
    this.alarms.wishSoon(WHO, deadline + ALARM_SLACK_MS);
    this.#hold(deadline);
    if (this.#open === 0) this.renew();
  }

  /** The process was told to stop: the object stays reachable until it has. */
  stopping(): void {
    this.#secure(Date.now() + MIN_RECHECK_MS);
  }

  /** The process has ended: nothing to watch. */
  ended(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.alarms.wish(WHO, undefined);
  }

  /** The storage alarm has fired. */
  async woken(): Promise<void> {
    if (!this.host.isRunning()) return;
    if (!this.host.isAwake()) return this.stopping();
    if (this.#lastUse === undefined && !this.#settledHere()) this.#lastUse = Date.now();
    const deadline = (this.#lastUse ?? 0) + this.host.sleepAfterMs();
    if (this.#open > 0) this.#secure(Date.now() + Math.max(MIN_RECHECK_MS, this.host.sleepAfterMs()));
    else if (deadline > Date.now()) this.#secure(deadline);
    else await this.#expire();
  }

  #arm(): void {
    const left = (this.#lastUse ?? 0) + this.host.sleepAfterMs() - Date.now();
    const settled = Date.now() - (this.#lastUse ?? 0) >= SETTLE_MS;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, settled ? left : Math.min(left, SETTLE_MS)));
  }

  #tick(): void {
    this.#timer = undefined;
    if (this.#open > 0 || !this.host.isAwake()) return;
    const now = Date.now();
    const deadline = (this.#lastUse ?? now) + this.host.sleepAfterMs();
    if (now >= deadline) {
      void this.#expire();
      return;
    }
    if (now - (this.#lastUse ?? now) >= SETTLE_MS) {
      this.storage.kv.put(KEY, { deadline, boot: bootId() } satisfies IdleNote);
      this.#secure(deadline);
    }
    this.#arm();
  }

  /** True if an object in this very process wrote down that the container's time would be over by now. */
  #settledHere(): boolean {
    const note = this.storage.kv.get<IdleNote>(KEY);
    return note !== undefined && note.boot === bootId() && note.deadline <= Date.now();
  }

  #secure(deadline: number): void {
    this.alarms.wish(WHO, deadline + ALARM_SLACK_MS);
    this.#hold(deadline);
  }

  #hold(deadline: number): void {
    this.host.hold(deadline - Date.now() + HOLD_SLACK_MS);
  }

  async #expire(): Promise<void> {
    if (this.#expiring) return;
    this.#expiring = true;
    try {
      await this.host.expired();
    } catch (error) {
      console.error("onActivityExpired failed:", error);
    } finally {
      this.#expiring = false;
    }
    // Still awake: the hook chose to go on, and is asked again after another `sleepAfter`.
    if (this.host.isAwake()) {
      this.#secure(Date.now() + this.host.sleepAfterMs());
      this.renew();
    }
  }
}
