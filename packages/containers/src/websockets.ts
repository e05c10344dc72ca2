import type { ActivityTracker } from "./activity.js";
import type { Run } from "./run.js";
import { bridge } from "./socket-bridge.js";
import { socketCounts } from "./socket-counts.js";

/**
 * The program's WebSockets on their way to clients. Longshore's engine tells how many are open, so they are handed on as they are, and no message passes
 * through JavaScript; with another engine each is joined to one that the object holds.
 */
export class WebSockets {
  /** While the engine is asked and tells; comes to false if it does not. */
  #following: Promise<boolean> | undefined;
  /** The life of the process whose WebSocket came last, until the engine is asked after it. */
  #newest: Run | undefined;
  /** What the engine has told last. */
  #open = 0;

  constructor(
    private readonly activity: Pick<ActivityTracker, "add" | "become" | "end">,
    private readonly ctx: Pick<DurableObjectState, "waitUntil">,
  ) {}

  /** The answer for the client to one with a WebSocket. It ends one request's activity; the container counts as in use until the WebSocket is closed. */
  async pass(response: Response, run: Run | undefined): Promise<Response> {
    this.#newest = run;
    if (run !== undefined) this.#following ??= this.#follow();
    if (!(await this.#following)) return bridge(response, this.activity);
    this.activity.end();
    return response;
  }

  /** Resolves when the engine has told a first count, or will not. */
  #follow(): Promise<boolean> {
    return new Promise((resolve) => {
      // The runtime takes an object with nothing to do for idle, puts it away, and cuts off what it has handed on: this is something to do.
      this.ctx.waitUntil(this.#count(() => resolve(true)).finally(() => resolve(false)));
    });
  }

  async #count(counted: () => void): Promise<void> {
    // The engine ends its account at 0. One that was opened at that moment is in the next.
    for (let run = this.#newest; run !== undefined; run = this.#newest) {
      this.#newest = undefined;
      for await (const open of socketCounts(run)) {
        this.#tell(open);
        counted();
      }
    }
    // Where the account broke off, the engine has ended, and every connection with it.
    this.#tell(0);
    this.#following = undefined;
  }

  #tell(open: number): void {
    this.activity.add("webSockets", open - this.#open);
    this.#open = open;
  }
}
