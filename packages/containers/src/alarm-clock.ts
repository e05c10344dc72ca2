import { LaterWrites } from "./later-writes.js";

const ALARM = "alarm";

/**
 * The object's one storage alarm, shared by those who want to be woken: it is set to the earliest of their times, and written only when that
 * changes. Nobody waits for the write.
 */
export class AlarmClock {
  #wishes = new Map<string, number>();
  #set: number | undefined;
  #recall: (() => void) | undefined;

  constructor(private readonly ctx: DurableObjectState) {}

  /** `recall` is called once, before the alarm is set for the first time: whoever has a wish on record from an earlier life renews it then. */
  beforeFirst(recall: () => void): void {
    this.#recall = recall;
  }

  /** Wakes the object at `time` (Unix milliseconds) on behalf of `who`, in place of what `who` wished before; `undefined` withdraws the wish. */
  wish(who: string, time: number | undefined): void {
    if (time === undefined) this.#wishes.delete(who);
    else this.#wishes.set(who, time);
    this.#apply();
  }

  /** As {@link wish}, but the alarm is written a little later (later-writes.ts): for a wish that another way of waking stands before. */
  wishSoon(who: string, time: number): void {
    this.#wishes.set(who, time);
    LaterWrites.of(this.ctx).put(ALARM, () => this.#apply());
  }

  /** The alarm has fired: what was set is used up, wishes that lie in the past are granted. */
  fired(): void {
    this.#set = undefined;
    const now = Date.now();
    for (const [who, time] of this.#wishes) if (time <= now) this.#wishes.delete(who);
  }

  #apply(): void {
    LaterWrites.of(this.ctx).drop(ALARM);
    const recall = this.#recall;
    this.#recall = undefined;
    recall?.();
    const next = this.#wishes.size === 0 ? undefined : Math.min(...this.#wishes.values());
    if (next === this.#set) return;
    this.#set = next;
    const done =
      next === undefined
        ? this.ctx.storage.deleteAlarm({ allowUnconfirmed: true })
        : this.ctx.storage.setAlarm(next, { allowUnconfirmed: true });
    done.catch((error: unknown) => console.error("The alarm cannot be set:", error));
  }
}
