import { type ErrorCode, LongshoreError, type LongshoreErrorOptions, toLongshoreError } from "@longshore/contract";

/** The codes of the OCI distribution specification that this registry answers with, and what they are elsewhere in Longshore. */
const CODE_OF_OCI = {
  BLOB_UNKNOWN: "NOT_FOUND",
  BLOB_UPLOAD_INVALID: "INVALID_INPUT",
  BLOB_UPLOAD_UNKNOWN: "NOT_FOUND",
  DENIED: "FORBIDDEN",
  DIGEST_INVALID: "INVALID_INPUT",
  MANIFEST_BLOB_UNKNOWN: "NOT_FOUND",
  MANIFEST_INVALID: "INVALID_INPUT",
  MANIFEST_UNKNOWN: "NOT_FOUND",
  NAME_INVALID: "INVALID_INPUT",
  NAME_UNKNOWN: "NOT_FOUND",
  SIZE_INVALID: "INVALID_INPUT",
  UNAUTHORIZED: "UNAUTHORIZED",
  UNSUPPORTED: "UNSUPPORTED",
} as const satisfies Record<string, ErrorCode>;

export type OciCode = keyof typeof CODE_OF_OCI;

export interface RegistryErrorOptions extends LongshoreErrorOptions {
  /** Where the specification wants another status than the code's. */
  status?: number;
  /** Sent with the answer. */
  headers?: Record<string, string>;
}

/** A failure with the code that OCI clients know. */
export class RegistryError extends LongshoreError {
  readonly oci: OciCode;
  readonly headers: Record<string, string>;
  readonly #status: number | undefined;

  constructor(oci: OciCode, message: string, options: RegistryErrorOptions = {}) {
    super(CODE_OF_OCI[oci], message, options);
    this.oci = oci;
    this.headers = options.headers ?? {};
    this.#status = options.status;
  }

  override get status(): number {
    return this.#status ?? super.status;
  }
}

/** Anything thrown, as an answer: status, headers and the body of the specification. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: { errors: [{ code: string; message: string; detail: Record<string, unknown> }] };
  readonly error: LongshoreError;
}

/** Turns whatever a request failed with into its answer. */
export function errorAnswer(thrown: unknown, doing: string): ErrorAnswer {
  const error = toLongshoreError(thrown, doing);
  return {
    status: error.status,
    headers: error instanceof RegistryError ? error.headers : {},
    body: { errors: [{ code: ociCode(error), message: error.text, detail: error.details ?? {} }] },
    error,
  };
}

function ociCode(error: LongshoreError): string {
  if (error instanceof RegistryError) return error.oci;
  return error.code === "NO_SPACE" || error.code === "UNAVAILABLE" ? error.code : "UNKNOWN";
}
