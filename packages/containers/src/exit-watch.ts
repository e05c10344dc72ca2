import { exitCodeOf } from "./engine-error.js";
import { isUp } from "./is-up.js";
import type { Run } from "./run.js";

export interface ExitListener {
  /** The process has ended with this code; `undefined`: it never ran, or nobody knows. Called again for the same run it changes nothing. */
  ended(run: Run, code: number | undefined): void;
  /** The process runs, but the runtime no longer hears of its exit. */
  lost(): void;
}

/** Hears of a process's end from the runtime, and tells it from contact with the engine that broke. */
export class ExitWatch {
  constructor(
    private readonly container: NonNullable<DurableObjectState["container"]>,
    private readonly listener: ExitListener,
  ) {}

  /** Listens to the end of this run, and returns it. */
  begin(run: Run): Run {
    void this.container.monitor().then(
      () => this.listener.ended(run, 0),
      (error) => this.#failed(run, error),
    );
    return run;
  }

  /** In a critical section only what was begun there is heard: a hook that waits for a process which has ended would wait until it is reset. */
  alsoInside(run: Run): void {
    void this.container.monitor().then(
      () => this.listener.ended(run, 0),
      (error) => {
        const code = exitCodeOf(error);
        if (code !== undefined) this.listener.ended(run, code);
      },
    );
  }

  async #failed(run: Run, error: unknown): Promise<void> {
    const code = exitCodeOf(error);
    if (code !== undefined) return this.listener.ended(run, code);
    // No exit code: either it never started, or contact with the engine broke. Only the engine knows.
    if ((run.adopted || run.readyPorts.size > 0) && (await isUp(this.container))) return await this.#takeBack(run);
    return this.listener.ended(run, undefined);
  }

  /**
   * The process runs, but the runtime takes it for ended. The engine gives it back to a start that asks for just the same; where that is not known, a
   * new object has to find it, since the runtime removes a container that it cannot create.
   */
  async #takeBack(run: Run): Promise<void> {
    if (run.options === undefined) return this.listener.lost();
    try {
      if (!this.container.running) this.container.start(run.options);
      await this.container.monitor();
      return this.listener.ended(run, 0);
    } catch (error) {
      const code = exitCodeOf(error);
      if (code !== undefined) return this.listener.ended(run, code);
      if (await isUp(this.container)) this.listener.lost();
      else this.listener.ended(run, undefined);
    }
  }
}
