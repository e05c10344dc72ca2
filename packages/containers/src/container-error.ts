import type { EngineFault, EngineFaultCode } from "./engine-error.js";

/** Every way in which a container can fail to take a request: the engine's reasons, and those that only this class can know. */
export type ContainerErrorCode =
  | EngineFaultCode
  | "OUT_OF_MEMORY"
  | "STARTS_LIMITED"
  | "CONNECTION_LOST"
  | "NO_CAPACITY"
  | "ABORTED"
  | "UNSUPPORTED";

interface Meaning {
  readonly status: number;
  readonly advice: string;
  /** Seconds after which another try makes sense. */
  readonly retryAfter?: number;
}

/** The one map from a code to what an HTTP client is told. */
const MEANING: Readonly<Record<ContainerErrorCode, Meaning>> = {
  CONTAINER_EXITED: { status: 502, advice: "Its output says why; correct the image, its entrypoint or its variables, and deploy again." },
  OUT_OF_MEMORY: {
    status: 502,
    advice: "Give it a larger `instance_type` in the Wrangler configuration, or have it use less. It is started again.",
    retryAfter: 1,
  },
  PORT_NOT_LISTENING: {
    status: 504,
    advice: "Make the program listen on that port, or set `defaultPort` to the port that it does listen on.",
  },
  TOO_MANY_CONNECTIONS: { status: 503, advice: "Spread the requests over several instances.", retryAfter: 1 },
  LIMIT_REACHED: {
    status: 503,
    advice: "Raise `max_instances` in the Wrangler configuration, or let instances sleep sooner with `sleepAfter`.",
    retryAfter: 10,
  },
  STARTS_LIMITED: {
    status: 429,
    advice: "Its output says why it fails; correct the image, its entrypoint or its variables, and deploy again.",
  },
  NO_CAPACITY: { status: 503, advice: "Raise `max` or `concurrency`, or wait longer with `queueMs`.", retryAfter: 1 },
  IMAGE_UNAVAILABLE: { status: 503, advice: "Push the image again with `wrangler deploy`.", retryAfter: 10 },
  START_FAILED: { status: 500, advice: "Correct what is named above, and deploy again." },
  CONNECTION_LOST: { status: 502, advice: "The request may have reached the program: send it again only if that does no harm." },
  NOT_RUNNING: { status: 503, advice: "Start it with `start()` or `startAndWaitForPorts()` first.", retryAfter: 1 },
  UNSUPPORTED: { status: 501, advice: "Change the Worker's configuration as said above." },
  ABORTED: { status: 499, advice: "The caller gave up." },
};

export interface ContainerErrorOptions {
  readonly cause?: unknown;
  readonly exitCode?: number;
  readonly lastLines?: readonly string[];
  /** Seconds after which another try makes sense, where that is known better than from the code. */
  readonly retryAfter?: number;
}

/** A failure of the container with a code to decide on. The message says what happened and ends with the program's last lines of output. */
export class ContainerError extends Error {
  /** The header of an answer that carries the code. */
  static readonly HEADER = "x-container-error";

  override readonly name = "ContainerError";
  readonly code: ContainerErrorCode;
  /** Set if the process ended. */
  readonly exitCode: number | undefined;
  readonly lastLines: readonly string[];
  /** Seconds after which another try makes sense; `undefined` if it does not by itself. */
  readonly retryAfter: number | undefined;

  constructor(code: ContainerErrorCode, what: string, options: ContainerErrorOptions = {}) {
    const lines = options.lastLines ?? [];
    super([what, ...(lines.length > 0 ? ["Its last output:", ...lines.map((line) => `  ${line}`)] : [])].join("\n"), {
      cause: options.cause,
    });
    this.code = code;
    this.exitCode = options.exitCode;
    this.lastLines = lines;
    this.retryAfter = options.retryAfter ?? MEANING[code].retryAfter;
  }

  /** The error that an engine's account stands for. */
  static from(fault: EngineFault, cause: unknown): ContainerError {
    const { exitCode, lastLines } = fault;
    const code = fault.code === "CONTAINER_EXITED" && fault.reason === "oom" ? "OUT_OF_MEMORY" : fault.code;
    return new ContainerError(code, fault.message, {
      cause,
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(lastLines === undefined ? {} : { lastLines }),
    });
  }

  /** The HTTP status this error travels with. */
  get status(): number {
    return MEANING[this.code].status;
  }

  /** What the reader can do about it. */
  get advice(): string {
    return MEANING[this.code].advice;
  }

  /** The plain-text answer for a client: what happened, the last output, what to do. `x-container-error` carries the code. */
  toResponse(): Response {
    const headers = new Headers({ "content-type": "text/plain; charset=utf-8", [ContainerError.HEADER]: this.code });
    if (this.retryAfter !== undefined) headers.set("retry-after", String(this.retryAfter));
    return new Response(`${this.message}\n${this.advice}\n`, { status: this.status, headers });
  }
}
