import { join } from "node:path";

export interface R2Sockets {
  /** Where applications' workerds connect to. */
  readonly bindings: string;
  /** Where the engine leads containers' S3 clients to. */
  readonly s3: string;
}

/** Where R2's sockets are: beside the scripts' directories, since no script's name begins with a dot. */
export function r2Sockets(runDirectory: string): R2Sockets {
  const directory = join(runDirectory, "w", ".r2");
  return { bindings: join(directory, "bindings.sock"), s3: join(directory, "s3.sock") };
}

/** The host that an account's buckets are at for S3 clients. */
export function s3Host(accountId: string): string {
  return `${accountId}.r2.cloudflarestorage.com`;
}
