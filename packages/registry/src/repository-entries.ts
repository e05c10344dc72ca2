import { type Bucket, REPOSITORIES_PREFIX } from "@longshore/contract";

/** What one object under the repositories' prefix is. */
export type RepositoryEntry =
  | { readonly kind: "tag"; readonly repository: string; readonly name: string; readonly key: string }
  | { readonly kind: "manifest" | "blob"; readonly repository: string; readonly digest: string; readonly key: string };

const ENTRY_KEY = new RegExp(`^${REPOSITORIES_PREFIX}(.+)/_(tags|manifests|blobs)/([^/]+)$`);

/** Every tag, manifest link and blob link of the repositories whose names begin with `namespace`, in key order. */
export async function* repositoryEntries(bucket: Bucket, namespace = ""): AsyncGenerator<RepositoryEntry> {
  for await (const { key } of bucket.list(REPOSITORIES_PREFIX + namespace)) {
    const [, repository, kind, last] = ENTRY_KEY.exec(key) ?? [];
    if (repository === undefined || last === undefined) continue;
    if (kind === "tags") yield { kind: "tag", repository, name: last, key };
    else yield { kind: kind === "manifests" ? "manifest" : "blob", repository, digest: last, key };
  }
}
