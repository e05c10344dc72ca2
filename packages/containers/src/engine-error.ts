/** What a failure of the engine comes to for the container. */
export type EngineFaultCode =
  | "CONTAINER_EXITED"
  | "NOT_RUNNING"
  | "PORT_NOT_LISTENING"
  | "TOO_MANY_CONNECTIONS"
  | "LIMIT_REACHED"
  | "IMAGE_UNAVAILABLE"
  | "START_FAILED";

/** What the engine says when a container cannot be started or a port cannot be reached. */
export interface EngineFault {
  readonly code: EngineFaultCode;
  readonly message: string;
  readonly exitCode?: number;
  /** Why the process ended, as the engine's own record says: `exit`, `signal`, `oom`, `rollout` … */
  readonly reason?: string;
  /** The last lines that the process wrote, oldest first. */
  readonly lastLines?: readonly string[];
  /** Of a port that is not open: how long the program has been running, in milliseconds, and on which ports it does listen. */
  readonly runningMs?: number;
  readonly listening?: readonly number[];
}

/** The codes that mean something of their own here; an image that is not there has a general code in the engine. Any other failed the start. */
const MEANING_OF: Readonly<Record<string, EngineFaultCode>> = {
  CONTAINER_EXITED: "CONTAINER_EXITED",
  NOT_RUNNING: "NOT_RUNNING",
  PORT_NOT_LISTENING: "PORT_NOT_LISTENING",
  TOO_MANY_CONNECTIONS: "TOO_MANY_CONNECTIONS",
  LIMIT_REACHED: "LIMIT_REACHED",
  IMAGE_UNAVAILABLE: "IMAGE_UNAVAILABLE",
  NOT_FOUND: "IMAGE_UNAVAILABLE",
};

/**
 * The engine's own account of a failure, if there is one. workerd passes no structure on: it puts the body of the engine's answer at the end of
 * an `Error`'s message. This is the only place that looks into a message, and it looks for JSON, not for words.
 */
export function engineFault(error: unknown): EngineFault | undefined {
  const message = error instanceof Error ? error.message : "";
  const start = message.indexOf('{"');
  if (start < 0) return undefined;
  const value = parse(message.slice(start, message.lastIndexOf("}") + 1));
  return isAccount(value) ? { ...value, code: MEANING_OF[value.code] ?? "START_FAILED" } : undefined;
}

/** The exit code that workerd attaches to the error of `monitor()` when the process ended with one; `undefined` for any other failure. */
export function exitCodeOf(error: unknown): number | undefined {
  const code = error instanceof Error && "exitCode" in error ? error.exitCode : undefined;
  return typeof code === "number" ? code : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isAccount(value: unknown): value is Omit<EngineFault, "code"> & { code: string } {
  if (typeof value !== "object" || value === null) return false;
  const { code, message } = value as Record<string, unknown>;
  return typeof code === "string" && typeof message === "string";
}
