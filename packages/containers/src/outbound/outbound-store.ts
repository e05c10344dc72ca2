import { LaterWrites } from "../later-writes.js";
import type { OutboundHandlerChoice } from "./types.js";

const CHANGES = "longshore:outbound";
const INTERNET = "longshore:internet";

/** What was changed for one container at run time. `undefined` in a field: the class decides. */
export interface OutboundChanges {
  readonly byHost: ReadonlyArray<readonly [host: string, choice: OutboundHandlerChoice]>;
  readonly catchAll?: OutboundHandlerChoice | undefined;
  readonly allowed?: readonly string[] | undefined;
  readonly denied?: readonly string[] | undefined;
}

/** Keeps the changes in the object's storage. Nobody is told of a change that a restart could lose: answers wait for the disk by themselves. */
export class OutboundStore {
  #changes: OutboundChanges | undefined | null = null;

  constructor(private readonly ctx: DurableObjectState) {}

  /** `undefined` if nothing was ever changed. */
  get(): OutboundChanges | undefined {
    if (this.#changes === null) this.#changes = this.ctx.storage.kv.get<OutboundChanges>(CHANGES);
    return this.#changes;
  }

  change(changes: Partial<OutboundChanges>): void {
    this.#changes = { byHost: [], ...this.get(), ...changes };
    this.ctx.storage.kv.put(CHANGES, this.#changes);
  }

  /** `enableInternet` of the start that the running process had, where it was given for that start alone. */
  startedWith(): boolean | undefined {
    return this.ctx.storage.kv.get<boolean>(INTERNET);
  }

  /** What was given for one start is written at once, since it may close what the class leaves open; that nothing was, a little later. */
  setStartedWith(internet: boolean | undefined): void {
    const later = LaterWrites.of(this.ctx);
    if (internet === undefined) {
      later.put(INTERNET, () => this.ctx.storage.kv.delete(INTERNET));
      return;
    }
    later.drop(INTERNET);
    this.ctx.storage.kv.put(INTERNET, internet);
  }
}
