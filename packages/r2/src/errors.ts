import { type ErrorCode, LongshoreError, type LongshoreErrorOptions, STATUS_OF_CODE, toLongshoreError } from "@longshore/contract";

interface Kind {
  readonly code: ErrorCode;
  readonly status: number;
  /** The number in the binding's protocol and in Cloudflare's API. */
  readonly v4: number;
  readonly message: string;
}

/** R2's failures under S3's names, in R2's words. */
const KINDS = {
  AccessDenied: { code: "FORBIDDEN", status: 403, v4: 10_003, message: "Access denied." },
  BadDigest: { code: "INVALID_INPUT", status: 400, v4: 10_037, message: "The checksum you specified did not match what we received." },
  BucketAlreadyOwnedByYou: {
    code: "CONFLICT",
    status: 409,
    v4: 10_004,
    message: "The bucket you tried to create already exists, and you own it.",
  },
  BucketNotEmpty: { code: "CONFLICT", status: 409, v4: 10_008, message: "The bucket you tried to delete is not empty." },
  EntityTooLarge: { code: "TOO_LARGE", status: 400, v4: 100_100, message: "Your proposed upload exceeds the maximum allowed object size." },
  EntityTooSmall: {
    code: "INVALID_INPUT",
    status: 400,
    v4: 10_011,
    message: "Your proposed upload is smaller than the minimum allowed object size.",
  },
  IncompleteBody: {
    code: "INVALID_INPUT",
    status: 400,
    v4: 10_013,
    message: "You did not provide the number of bytes specified by the Content-Length HTTP header.",
  },
  InternalError: { code: "INTERNAL", status: 500, v4: 10_001, message: "We encountered an internal error. Please try again." },
  InvalidAccessKeyId: { code: "FORBIDDEN", status: 403, v4: 10_002, message: "The access key is not known here." },
  InvalidArgument: { code: "INVALID_INPUT", status: 400, v4: 10_029, message: "An argument is not valid." },
  InvalidBucketName: { code: "INVALID_INPUT", status: 400, v4: 10_005, message: "The specified bucket name is not valid." },
  InvalidObjectName: { code: "INVALID_INPUT", status: 400, v4: 10_020, message: "The specified object name is not valid." },
  InvalidMaxKeys: { code: "INVALID_INPUT", status: 400, v4: 10_022, message: "MaxKeys params must be positive integer <= 1000." },
  InvalidPart: { code: "INVALID_INPUT", status: 400, v4: 10_025, message: "One or more of the specified parts could not be found." },
  InvalidPartOrder: { code: "INVALID_INPUT", status: 400, v4: 10_026, message: "The list of parts was not in ascending order." },
  InvalidRange: { code: "INVALID_INPUT", status: 416, v4: 10_039, message: "The requested range is not satisfiable" },
  MalformedXML: { code: "INVALID_INPUT", status: 400, v4: 10_040, message: "The XML you provided was not well formed." },
  MetadataTooLarge: {
    code: "INVALID_INPUT",
    status: 400,
    v4: 10_012,
    message: "Your metadata headers exceed the maximum allowed metadata size.",
  },
  MethodNotAllowed: { code: "INVALID_INPUT", status: 405, v4: 10_042, message: "The method is not allowed here." },
  MissingContentLength: { code: "INVALID_INPUT", status: 411, v4: 10_043, message: "You must provide the Content-Length HTTP header." },
  NoSuchBucket: { code: "NOT_FOUND", status: 404, v4: 10_006, message: "The specified bucket does not exist." },
  NoSuchKey: { code: "NOT_FOUND", status: 404, v4: 10_007, message: "The specified key does not exist." },
  NoSuchUpload: { code: "NOT_FOUND", status: 404, v4: 10_024, message: "The specified multipart upload does not exist." },
  NotImplemented: { code: "UNSUPPORTED", status: 501, v4: 10_044, message: "This is not served by Longshore." },
  NoSuchCORSConfiguration: { code: "NOT_FOUND", status: 404, v4: 10_059, message: "The CORS configuration does not exist." },
  NoSuchLifecycleConfiguration: { code: "NOT_FOUND", status: 404, v4: 10_060, message: "The lifecycle configuration does not exist." },
  ObjectLockedByBucketPolicy: {
    code: "FORBIDDEN",
    status: 403,
    v4: 10_069,
    message: "The object is locked by the bucket policy.",
  },
  PreconditionFailed: {
    code: "CONFLICT",
    status: 412,
    v4: 10_031,
    message: "At least one of the pre-conditions you specified did not hold.",
  },
  RequestTimeTooSkewed: {
    code: "FORBIDDEN",
    status: 403,
    v4: 10_035,
    message: "The difference between the request time and the server's time is too large.",
  },
  SignatureDoesNotMatch: {
    code: "FORBIDDEN",
    status: 403,
    v4: 10_036,
    message:
      "The request signature we calculated does not match the signature you provided. Check your secret access key and signing method.",
  },
  UnequalParts: { code: "INVALID_INPUT", status: 400, v4: 10_048, message: "All parts but the last must have the same length." },
  XAmzContentSHA256Mismatch: {
    code: "INVALID_INPUT",
    status: 400,
    v4: 10_038,
    message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
  },
} as const satisfies Record<string, Kind>;

export type R2ErrorName = keyof typeof KINDS;

/** A failure that clients of R2 know by name and number. */
export class R2Error extends LongshoreError {
  readonly kind: R2ErrorName;

  /** `message` in place of R2's own words. */
  constructor(kind: R2ErrorName, message: string = KINDS[kind].message, options: LongshoreErrorOptions = {}) {
    super(KINDS[kind].code, message, options);
    this.kind = kind;
  }

  override get status(): number {
    return KINDS[this.kind].status;
  }

  get v4(): number {
    return KINDS[this.kind].v4;
  }

  /** As S3 calls it. */
  get s3(): string {
    return this.kind === "UnequalParts" ? "InvalidPart" : this.kind;
  }
}

/** What a client is told of any failure. What is no R2 error has a status of the one map, and its message where it is not `INTERNAL`. */
export interface Told {
  readonly status: number;
  readonly v4: number;
  readonly s3: string;
  readonly message: string;
}

export function told(thrown: unknown, doing: string): Told {
  const error = toLongshoreError(thrown, doing);
  if (error instanceof R2Error) return { status: error.status, v4: error.v4, s3: error.s3, message: error.text };
  const { status, v4, message } = KINDS.InternalError;
  if (error.code === "INTERNAL") return { status, v4, s3: "InternalError", message };
  const s3 = error.code === "NO_SPACE" ? "InsufficientStorage" : error.code === "UNSUPPORTED" ? "NotImplemented" : "InternalError";
  return { status: STATUS_OF_CODE[error.code], v4, s3, message: error.text };
}
