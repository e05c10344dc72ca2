import type { AlarmClock } from "./alarm-clock.js";
import type { Schedule } from "./types.js";

const PREFIX = "longshore:schedule:";
const WHO = "schedule";

/** Method calls that are due later, kept in the object's storage. Times are whole seconds; each is called once, at its time or after. */
export class Schedules {
  constructor(
    private readonly storage: DurableObjectStorage,
    private readonly alarms: AlarmClock,
  ) {
    alarms.beforeFirst(() => this.#plan());
  }

  /** Adds a call of the method `callback` at a time, or in a number of seconds. Throws a `TypeError` if `when` is neither. */
  add<T>(when: Date | number, callback: string, payload: T): Schedule<T> {
    const schedule = describe(when, callback, payload);
    this.storage.kv.put(PREFIX + schedule.taskId, schedule);
    this.#plan();
    return schedule;
  }

  get<T>(taskId: string): Schedule<T> | undefined {
    return this.storage.kv.get<Schedule<T>>(PREFIX + taskId);
  }

  /** All, or those that call this method; the next one first. */
  list<T>(callback?: string): Schedule<T>[] {
    const all = [...this.storage.kv.list<Schedule<T>>({ prefix: PREFIX })].map(([, schedule]) => schedule);
    return all.filter((schedule) => callback === undefined || schedule.callback === callback).sort((a, b) => a.time - b.time);
  }

  /** Forgets all calls of this method. */
  remove(callback: string): void {
    for (const { taskId } of this.list(callback)) this.storage.kv.delete(PREFIX + taskId);
    this.#plan();
  }

  /** Runs what is due. A call that fails is logged and not repeated. */
  async runDue(call: (schedule: Schedule<unknown>) => Promise<void>): Promise<void> {
    for (const schedule of this.list<unknown>()) {
      if (schedule.time * 1000 > Date.now()) break;
      // Gone before it runs, as the method may schedule itself anew.
      this.storage.kv.delete(PREFIX + schedule.taskId);
      try {
        await call(schedule);
      } catch (error) {
        console.error(`The scheduled call of ${schedule.callback} failed:`, error);
      }
    }
    this.#plan();
  }

  #plan(): void {
    const next = this.list()[0];
    this.alarms.wish(WHO, next === undefined ? undefined : next.time * 1000);
  }
}

function describe<T>(when: Date | number, callback: string, payload: T): Schedule<T> {
  const taskId = crypto.randomUUID();
  if (when instanceof Date && Number.isFinite(when.getTime())) {
    return { taskId, callback, payload, type: "scheduled", time: Math.floor(when.getTime() / 1000) };
  }
  if (typeof when === "number" && Number.isFinite(when)) {
    return { taskId, callback, payload, type: "delayed", delayInSeconds: when, time: Math.floor(Date.now() / 1000 + when) };
  }
  throw new TypeError(`schedule() takes a Date or a number of seconds, not ${String(when)}.`);
}
