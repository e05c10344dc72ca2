/** What a container is to be started from, by the names of snapshots. */
export interface RestoreRequest {
  /** A container snapshot, in place of the image alone. */
  readonly container?: string;
  readonly directories: readonly { readonly snapshot: string; readonly target: string }[];
}
