import type { ErrorCode } from "@longshore/contract";

/** What the process that unpacks a layer is told, as its only argument. */
export interface UnpackJob {
  /** An empty directory. */
  readonly directory: string;
  /** `sha256:…` of the bytes that come on its standard input. */
  readonly digest: string;
  /** How many bytes come. */
  readonly size: number;
  /** `sha256:…` of the unpacked archive. */
  readonly diffId: string;
  /** The archive may have so many bytes. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** What it answers, as JSON on file descriptor 3. */
export type UnpackAnswer =
  | { readonly bytes: number; readonly entries: number; readonly droppedDevices: number }
  | { readonly code: ErrorCode; readonly message: string; readonly hint?: string };
