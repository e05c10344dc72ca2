/** What the engine says when a container cannot be started or a port cannot be reached. */
export type EngineFaultCode = "CONTAINER_EXITED" | "PORT_NOT_LISTENING" | "LIMIT_REACHED" | "IMAGE_UNAVAILABLE" | "START_FAILED";

export interface EngineFault {
  readonly code: EngineFaultCode;
  readonly message: string;
  readonly exitCode?: number;
  /** Why the process ended, as the engine's own record says: `exit`, `signal`, `oom`, `rollout` … */
  readonly reason?: string;
  /** The last lines that the process wrote, oldest first. */
  readonly lastLines?: readonly string[];
}

const CODES: ReadonlySet<string> = new Set([
  "CONTAINER_EXITED",
  "PORT_NOT_LISTENING",
  "LIMIT_REACHED",
  "IMAGE_UNAVAILABLE",
  "START_FAILED",
]);

/**
 * The engine's own account of a failure, if there is one. workerd passes no structure on: it puts the body of the engine's answer at the end of
 * an `Error`'s message. This is the only place that looks into a message, and it looks for JSON, not for words.
 */
export function engineFault(error: unknown): EngineFault | undefined {
  const message = error instanceof Error ? error.message : "";
  const start = message.indexOf('{"');
  if (start < 0) return undefined;
  const value = parse(message.slice(start, message.lastIndexOf("}") + 1));
  return isFault(value) ? value : undefined;
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

function isFault(value: unknown): value is EngineFault {
  if (typeof value !== "object" || value === null) return false;
  const { code, message } = value as Record<string, unknown>;
  return typeof code === "string" && CODES.has(code) && typeof message === "string";
}
