/**
 * Where the registry keeps images in the bucket. Written by `registry`, read by `engine`, which on the same machine needs no pull.
 * Blobs (layers, configs and manifests alike) are shared by all repositories; a repository holds links to them.
 */

/** `sha256:<64 hex>`, the only digest form that the registry stores. */
export const DIGEST_PATTERN = /^sha256:[0-9a-f]{64}$/;

/** Key of a blob's bytes. */
export function blobKey(digest: string): string {
  const hex = digest.slice("sha256:".length);
  return `registry/blobs/sha256/${hex.slice(0, 2)}/${hex}`;
}

/** Key of a repository's link to a blob: an empty object that says this repository may serve it. */
export function repositoryBlobKey(repository: string, digest: string): string {
  return `registry/repositories/${repository}/_blobs/${digest}`;
}

/** Key of a repository's link to a manifest; its content is a {@link ManifestLink} as JSON. The manifest's bytes are the blob. */
export function manifestKey(repository: string, digest: string): string {
  return `registry/repositories/${repository}/_manifests/${digest}`;
}

/** Key of a tag; its content is a {@link ManifestLink} as JSON. */
export function tagKey(repository: string, tag: string): string {
  return `registry/repositories/${repository}/_tags/${tag}`;
}

export interface ManifestLink {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
}
