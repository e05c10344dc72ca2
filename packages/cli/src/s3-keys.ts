import { createHash } from "node:crypto";

/** The S3 key that an API token is: its id, and the SHA-256 of its value. */
export function s3Keys(id: string, value: string): { readonly AWS_ACCESS_KEY_ID: string; readonly AWS_SECRET_ACCESS_KEY: string } {
  return { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: createHash("sha256").update(value).digest("hex") };
}
