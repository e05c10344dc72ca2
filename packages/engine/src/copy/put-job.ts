import type { ErrorCode } from "@longshore/contract";

/** What the process that puts files into a container is told, as its only argument. The container's root is its file descriptor 3, the archive its input. */
export interface PutJob {
  /** A directory of the container. */
  readonly path: string;
  /** What the host adds to the container's user and group ids. */
  readonly idBase: number;
  /** In place of the owners in the archive, as ids of the container. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** A directory is never replaced by something else, nor something else by a directory. */
  readonly keepKinds: boolean;
}

/** What it answers, as JSON on file descriptor 4. */
export type PutAnswer = { readonly entries: number } | { readonly code: ErrorCode; readonly message: string };
