/**
 * Where the registry keeps images in the bucket. Written by `registry`, read by `engine`, which on the same machine needs no pull.
 * Blobs (layers, configs and manifests alike) are shared by all repositories; a repository holds links to them.
 */

/** `sha256:<64 hex>` or `sha512:<128 hex>`, the digests that the registry stores. */
export const DIGEST_PATTERN = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Every blob's key begins so. */
export const BLOBS_PREFIX = "registry/blobs/";

/** Every key that belongs to a repository begins so, followed by the repository's name. */
export const REPOSITORIES_PREFIX = "registry/repositories/";

/** Key of a blob's bytes. */
export function blobKey(digest: string): string {
  const [algorithm, hex = ""] = digest.split(":");
  return `${BLOBS_PREFIX}${algorithm}/${hex.slice(0, 2)}/${hex}`;
}

/** The digest of the blob that {@link blobKey} made this key of. */
export function digestOfBlobKey(key: string): string {
  const [algorithm, , hex] = key.slice(BLOBS_PREFIX.length).split("/");
  return `${algorithm}:${hex}`;
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

/** Key that says: the manifest `digest` has the manifest `subject` as its subject (a signature of it, say). Its content is a descriptor as JSON. */
export function referrerKey(repository: string, subject: string, digest: string): string {
  return `registry/repositories/${repository}/_referrers/${subject}/${digest}`;
}

/** Key that says: the last tag of this manifest was deleted, not moved, so nobody wants to go back to it. Its content is empty. */
export function discardedKey(repository: string, digest: string): string {
  return `registry/repositories/${repository}/_discarded/${digest}`;
}

export interface ManifestLink {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
}
