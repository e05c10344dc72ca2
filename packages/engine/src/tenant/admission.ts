import { type ContainerClass, LongshoreError } from "@longshore/contract";

/** One start that wants to be counted in. */
export interface Start {
  readonly name: string;
  readonly containerClass: ContainerClass;
  /** Counts it in. Errors: `LIMIT_REACHED` while there is no room, and others that waiting does not change. */
  readonly reserve: () => Disposable;
  /** Aborted when whoever waits has gone. */
  readonly signal?: AbortSignal | undefined;
}

interface Waiting extends Start {
  readonly admit: (place: Disposable) => void;
  readonly refuse: (error: unknown) => void;
}

/** How many starts may wait for each class: a flood that nobody will be served of is refused at once. */
const MAX_WAITING = 1000;

/**
 * Who may start a container when limits are reached: starts of a class wait for one of its containers to end, in the order they came, for a while.
 * Whoever frees something calls {@link look}.
 */
export class Admission {
  readonly #waitMs: number;
  /** By class. */
  readonly #lines = new Map<string, Set<Waiting>>();

  /** `waitMs`: how long a start waits at most; 0: not at all. */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /**
   * Resolves when the start is counted in; disposing of the result counts it out, unless there is a container by then.
   * Errors: `LIMIT_REACHED` when there was no room in time, `CONFLICT`, `TIMEOUT` when whoever asked has gone.
   */
  async enter(start: Start, waitMs = this.#waitMs): Promise<Disposable> {
    const line = this.#lines.get(lineOf(start)) ?? new Set();
    if ([...line].some(({ name }) => name === start.name)) {
      throw new LongshoreError("CONFLICT", `The container ${start.name} is waiting to be started.`);
    }
    // Who comes later does not overtake.
    if (line.size === 0 || waitMs === 0) {
      try {
        return start.reserve();
      } catch (error) {
        if (!isFull(error) || waitMs === 0) throw error;
      }
    }
    if (line.size >= MAX_WAITING) {
      throw new LongshoreError(
        "LIMIT_REACHED",
        `${NO_INSTANCE}: ${line.size} starts of ${start.containerClass.applicationName} wait already.`,
      );
    }
    this.#lines.set(lineOf(start), line);
    return await this.#wait(line, start, waitMs);
  }

  /** Something has ended: those who wait are tried again, each class in its order. */
  look(): void {
    for (const line of this.#lines.values()) {
      for (const waiting of line) {
        try {
          waiting.admit(waiting.reserve());
        } catch (error) {
          if (isFull(error)) break;
          waiting.refuse(error);
        }
      }
    }
  }

  #wait(line: Set<Waiting>, start: Start, waitMs: number): Promise<Disposable> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        start.signal?.removeEventListener("abort", gone);
        line.delete(waiting);
        if (line.size === 0 && this.#lines.get(lineOf(start)) === line) this.#lines.delete(lineOf(start));
      };
      const refuse = (error: unknown) => {
        leave();
        reject(error);
      };
      const admit = (place: Disposable) => {
        leave();
        resolve(place);
      };
      const gone = () => refuse(new LongshoreError("TIMEOUT", `Nobody waits for the container ${start.name} any more.`));
      const late = () => refuse(lateness(start, waitMs));
      const timer = setTimeout(late, waitMs);
      const waiting: Waiting = { ...start, admit, refuse };
      line.add(waiting);
      if (start.signal?.aborted === true) gone();
      else start.signal?.addEventListener("abort", gone);
    });
  }
}

/** The words that users of the public platform's class match on. */
export const NO_INSTANCE = "There is no container instance that can be provided to this Durable Object";

/** What stands in the way at the last moment, and how long that has been so. */
function lateness(start: Start, waitMs: number): unknown {
  try {
    start.reserve()[Symbol.dispose]();
  } catch (error) {
    if (!isFull(error)) return error;
    const message = `${error.message} It waited ${waitMs / 1000} s for one to end.`;
    return new LongshoreError("LIMIT_REACHED", message, { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }
  return new LongshoreError("LIMIT_REACHED", `${NO_INSTANCE}: others waited longer, for ${waitMs / 1000} s.`);
}

function lineOf({ containerClass }: Start): string {
  return containerClass.namespaceId;
}

function isFull(error: unknown): error is LongshoreError {
  return error instanceof LongshoreError && error.code === "LIMIT_REACHED";
}
