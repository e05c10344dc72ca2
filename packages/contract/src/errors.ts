/**
 * Every failure that crosses a package or a process boundary is a {@link LongshoreError}: a code that programs decide on, a message that says
 * what happened and where, and a hint that says what to do. This is the one place where a code meets an HTTP status.
 */
export const STATUS_OF_CODE = {
  INVALID_INPUT: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  TOO_LARGE: 413,
  /** The input is valid, but this installation cannot serve it (a binding kind that is not there yet, an image for another architecture). */
  UNSUPPORTED: 422,
  /** A limit of the application or account is reached: `max_instances`, an account quota. */
  LIMIT_REACHED: 429,
  INTERNAL: 500,
  /** The thing asked for is not running, or is being replaced; trying again may help. */
  UNAVAILABLE: 503,
  TIMEOUT: 504,
  /** The disk under the data directory is full. */
  NO_SPACE: 507,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof STATUS_OF_CODE;

export interface LongshoreErrorOptions {
  /** The failure underneath, always kept. */
  cause?: unknown;
  /** What the reader can do about it, one sentence. */
  hint?: string;
  /** Machine-readable facts, safe to show to the caller. */
  details?: Record<string, unknown>;
}

/** An error with a code. `message` never needs the hint or the cause to make sense. */
export class LongshoreError extends Error {
  override readonly name = "LongshoreError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, options: LongshoreErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
  }

  /** The HTTP status this error travels with. */
  get status(): number {
    return STATUS_OF_CODE[this.code];
  }

  /** What happened, and what to do: the text for a person. What to do begins a line where the message has several. */
  get text(): string {
    return this.hint === undefined ? this.message : `${this.message}${this.message.includes("\n") ? "\n" : " "}${this.hint}`;
  }
}

/** True for a Node.js system error with this `code` (`ENOENT`, `ENOSPC`, …). */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

/** Wraps anything thrown into a {@link LongshoreError}; one that already is passes through. `ENOSPC` and `EDQUOT` become `NO_SPACE`. */
export function toLongshoreError(error: unknown, doing: string): LongshoreError {
  if (error instanceof LongshoreError) return error;
  if (isErrno(error, "ENOSPC") || isErrno(error, "EDQUOT")) {
    return new LongshoreError("NO_SPACE", `The disk is full (${doing}).`, {
      cause: error,
      hint: "Free some space under the data directory, then try again.",
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new LongshoreError("INTERNAL", `${doing} failed: ${reason}`, { cause: error });
}
