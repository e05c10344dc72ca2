/** What a container is to be started from, besides its class's image. */
export interface RestoreRequest {
  /** An image in place of the class's, as the Worker named it. */
  readonly image?: string;
  /** A container snapshot, in place of the image alone. */
  readonly container?: string;
  readonly directories: readonly { readonly snapshot: string; readonly target: string }[];
}
