import { type ErrorCode, LongshoreError, type LongshoreErrorOptions, STATUS_OF_CODE } from "@longshore/contract";

/**
 * The numbers that wrangler decides on. Everything else gets `10000 + HTTP status`, which no wrangler gives a meaning to
 * (except 10000 itself, which is about permission).
 */
export const API_CODE = {
  /** The token is good, but not for this: clients then show whom the token belongs to. */
  NOT_ALLOWED: 10_000,
  SCRIPT_NOT_FOUND: 10_007,
  SCRIPT_INVALID: 10_021,
  SCRIPT_TOO_LARGE: 10_027,
  SECRET_NOT_FOUND: 10_056,
  KV_KEY_NOT_FOUND: 10_009,
  KV_NAMESPACE_NOT_FOUND: 10_013,
  KV_NAMESPACE_EXISTS: 10_014,
  BUCKET_EXISTS: 10_004,
  BUCKET_NOT_FOUND: 10_006,
  BUCKET_NOT_EMPTY: 10_008,
  CORS_NOT_FOUND: 10_059,
  OBJECT_LOCKED: 10_069,
  /** The number of a Worker that is not there, too: clients tell them apart by what they asked for. */
  OBJECT_NOT_FOUND: 10_007,
  DATABASE_NOT_FOUND: 7_404,
  /** SQLite's own words. */
  DATABASE_REFUSED: 7_500,
  DATABASE_EXISTS: 7_502,
  /** The token is not: a client that was told 10000 would ask on with the same token, and drown the message. */
  TOKEN_INVALID: 9_109,
  VERSION_NOT_FOUND: 100_146,
} as const;

/** A {@link LongshoreError} that has a number of its own in the API's envelope. */
export class ApiError extends LongshoreError {
  readonly apiCode: number;

  constructor(code: ErrorCode, apiCode: number, message: string, options: LongshoreErrorOptions = {}) {
    super(code, message, options);
    this.apiCode = apiCode;
  }
}

/** The failures of the containers API, by the names that its clients know. */
export const CONTAINERS_ERRORS = {
  VALIDATE_INPUT: "INVALID_INPUT",
  SURPASSED_BASE_LIMITS: "INVALID_INPUT",
  SURPASSED_TOTAL_LIMITS: "INVALID_INPUT",
  IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE: "INVALID_INPUT",
  IMAGE_REGISTRY_RETURNED_ERROR: "INVALID_INPUT",
  IMAGE_REGISTRY_NOT_FOUND: "NOT_FOUND",
  IMAGE_REGISTRY_ALREADY_EXISTS: "CONFLICT",
  IMAGE_REGISTRY_NOT_ALLOWED: "FORBIDDEN",
  APPLICATION_NOT_FOUND: "NOT_FOUND",
  ROLLOUT_NOT_FOUND: "NOT_FOUND",
  INSTANCE_NOT_FOUND: "NOT_FOUND",
  INSTANCE_NOT_RUNNING: "CONFLICT",
  SSH_NOT_ENABLED: "INVALID_INPUT",
  ROLLOUT_NOT_ACTIVE: "CONFLICT",
  DURABLE_OBJECT_NOT_FOUND: "INVALID_INPUT",
  DURABLE_OBJECT_NOT_CONTAINER_ENABLED: "INVALID_INPUT",
  DURABLE_OBJECT_ALREADY_HAS_APPLICATION: "CONFLICT",
  APPLICATION_NAME_ALREADY_EXISTS: "CONFLICT",
} as const satisfies Record<string, ErrorCode>;

export type ContainersErrorName = keyof typeof CONTAINERS_ERRORS;

/** A failure of the containers API: `fields` maps the name of an input field to what is wrong with it. */
export class ContainersError extends LongshoreError {
  readonly error: ContainersErrorName;
  readonly fields: Readonly<Record<string, string>>;

  constructor(error: ContainersErrorName, fields: Readonly<Record<string, string>>, options: LongshoreErrorOptions = {}) {
    super(CONTAINERS_ERRORS[error], `${error}: ${Object.values(fields).join(" ")}`, options);
    this.error = error;
    this.fields = fields;
  }
}

/** `INVALID_INPUT` with the number that wrangler shows as "your script is invalid". */
export function invalidScript(message: string, options: LongshoreErrorOptions = {}): ApiError {
  return new ApiError("INVALID_INPUT", API_CODE.SCRIPT_INVALID, message, options);
}

export function scriptNotFound(name: string): ApiError {
  return new ApiError("NOT_FOUND", API_CODE.SCRIPT_NOT_FOUND, `There is no Worker named "${name}" on this installation.`, {
    hint: "Deploy it first, or look at the name in the configuration file.",
  });
}

export function versionNotFound(script: string, id: string): ApiError {
  return new ApiError("NOT_FOUND", API_CODE.VERSION_NOT_FOUND, `Worker "${script}" has no version ${id}.`, {
    hint: "`wrangler versions list` names the ones it has.",
  });
}

/** What is valid but cannot be served here yet. `what` starts the sentence: `Binding "X" (kv_namespace)`. */
export function notServed(what: string, hint?: string): LongshoreError {
  return new LongshoreError("UNSUPPORTED", `${what} is not served by Longshore yet.`, hint === undefined ? {} : { hint });
}

/** The number that an error travels with in `errors[].code`. */
export function apiCodeOf(error: LongshoreError): number {
  if (error instanceof ApiError) return error.apiCode;
  if (error.code === "UNAUTHORIZED") return API_CODE.TOKEN_INVALID;
  if (error.code === "FORBIDDEN") return API_CODE.NOT_ALLOWED;
  return 10_000 + STATUS_OF_CODE[error.code];
}
