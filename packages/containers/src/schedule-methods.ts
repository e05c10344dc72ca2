import { AlarmClock } from "./alarm-clock.js";
import { OutboundContainer } from "./outbound/outbound-container.js";
import { Schedules } from "./schedules.js";
import type { Schedule } from "./types.js";

const ASKED_FOR = "asked for";

/** The object's alarm and what is due by it, for the class that gets it. */
export let alarmsOf: (container: ScheduledContainer<unknown>) => AlarmClock;

/** Calls of methods that are due later. */
export abstract class ScheduledContainer<Env = Cloudflare.Env> extends OutboundContainer<Env> {
  #alarms: AlarmClock;
  #schedules: Schedules;

  static {
    alarmsOf = (container) => container.#alarms;
  }

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#alarms = new AlarmClock(ctx);
    this.#schedules = new Schedules(ctx.storage, this.#alarms);
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

  /** Wakes the object in `ms` milliseconds. Nothing needs it: the class sets its alarms by itself. */
  async scheduleNextAlarm(ms = 1000): Promise<void> {
    this.#alarms.wish(ASKED_FOR, Date.now() + ms);
  }

  /** Belongs to the class: use `schedule` to be called later. */
  override async alarm(_info?: AlarmInvocationInfo): Promise<void> {
    this.#alarms.fired();
    await this.#schedules.runDue(async (schedule) => this.#method(schedule.callback).call(this, schedule.payload, schedule));
  }

  #method(name: string): (payload: unknown, schedule: unknown) => Promise<void> {
    const method = (this as unknown as Record<string, unknown>)[name];
    if (typeof method !== "function") throw new TypeError(`${this.constructor.name} has no method "${name}" to schedule.`);
    return method as (payload: unknown, schedule: unknown) => Promise<void>;
  }
}
