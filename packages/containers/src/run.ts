import type { EngineFault } from "./engine-error.js";
import type { ContainerStartConfigOptions, ContainerStartOptions, StopCause, StopParams } from "./types.js";

type ContainerHandle = NonNullable<DurableObjectState["container"]>;

/** How one life of the process ended. */
export interface Exit extends StopParams {
  /** False if the process never ran: the engine refused to start it, or contact with the engine was lost. */
  readonly started: boolean;
  /** True if it was asked to end, so that its end says nothing about the program. */
  readonly interrupted: boolean;
}

/**
 * One life of the container's process, from a start (or from finding it running) to its exit. Everything that belongs to one life hangs here, so
 * that a late event of an old life can never touch a new one: whoever waits compares `lifecycle.run` with the run it started with.
 */
export class Run {
  readonly readyPorts = new Set<number>();
  /** Whether `onStart` has been called in this life. */
  hook: "pending" | "running" | "done";
  /** When a signal was sent to it; `undefined` if none was. */
  signalledAt: number | undefined;
  /** Why this object told it to stop; `undefined` if it did not. */
  toldBy: StopCause | undefined;
  /** What the engine says of its end, once it was asked. */
  account: Promise<EngineFault | undefined> | undefined;
  /** Set when the process is known to have ended. */
  exit: Exit | undefined;
  /** Resolves when the exit is known and another run may begin. Never rejects. */
  readonly over: Promise<Exit>;
  #resolveOver: (exit: Exit) => void = () => undefined;
  /** What its start was given, to start the container again as it was. */
  given: ContainerStartConfigOptions = {};
  /** What the runtime was given for it; `undefined` for a process that was found running. */
  options: ContainerStartOptions | undefined;
  /** Whether `onError` was already told of this run's failure. */
  reported = false;
  #fetchers = new Map<number, Fetcher>();

  constructor(
    private readonly container: ContainerHandle,
    /** True if the process was found running: a request may go straight to its port. */
    readonly adopted: boolean,
  ) {
    this.hook = adopted ? "done" : "pending";
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve;
    });
  }

  ended(exit: Exit): void {
    this.exit = exit;
    this.#resolveOver(exit);
  }

  /** True if requests may go straight to this port. */
  takes(port: number): boolean {
    return this.exit === undefined && this.signalledAt === undefined && this.hook === "done" && (this.adopted || this.readyPorts.has(port));
  }

  /** The way to a port of this life. Kept, because asking the runtime for it is a call of its own each time. */
  port(port: number): Fetcher {
    let fetcher = this.#fetchers.get(port);
    if (fetcher === undefined) {
      fetcher = this.container.getTcpPort(port);
      this.#fetchers.set(port, fetcher);
    }
    return fetcher;
  }

  /** Forgets the way to a port after a failure on it, so that the next use makes a new one. */
  forget(port: number): void {
    this.#fetchers.delete(port);
  }
}
