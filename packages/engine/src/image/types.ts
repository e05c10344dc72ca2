/** The parts of an OCI image configuration that a container is started from. */
export interface ImageConfig {
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDirectory: string;
  /** `""`, `user`, `uid`, `user:group` or `uid:gid`. */
  readonly user: string;
  readonly exposedPorts: readonly string[];
}

/** An image that is unpacked on this host. */
export interface PreparedImage {
  /** Digest of the manifest that was chosen (for an index: that of linux/amd64). */
  readonly digest: string;
  /** Names under the layer store, lowest first. */
  readonly layers: readonly string[];
  readonly config: ImageConfig;
  /** Bytes of all unpacked layers. */
  readonly sizeBytes: number;
}

export interface ManifestOptions {
  /** What a tag named when it was last asked for does not do in place of what it names now. */
  readonly fresh?: boolean;
}

/** Where image bytes come from: the registry's store on this machine, or another registry. */
export interface ImageSource {
  /** The manifest's digest and bytes; `undefined` when there is no such image. */
  manifest(reference: string, options?: ManifestOptions): Promise<{ digest: string; bytes: Buffer } | undefined>;
  /**
   * The bytes of a blob of the image, as a stream; `undefined` when there is no such blob. The caller checks the digest. `size` is what the image
   * says that it has: a source need not bring more.
   */
  blob(digest: string, reference: string, size?: number): Promise<NodeJS.ReadableStream | undefined>;
}
