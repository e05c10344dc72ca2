import type { Bucket } from "@longshore/contract";
import { type Exchange, namespaceOf, page, sendJson } from "./http.js";
import { repositoryEntries } from "./repository-entries.js";

/**
 * `GET /v2/_catalog`: the repositories in the caller's namespace that hold a manifest, as a sorted list in pages.
 * With `?tags=true`, which is what wrangler asks for, an object in one piece: repository → its tags; those without a tag are left out.
 */
export async function serveCatalog(bucket: Bucket, { res, query, access }: Exchange): Promise<void> {
  const repositories = new Map<string, string[]>();
  for await (const entry of repositoryEntries(bucket, namespaceOf(access))) {
    if (entry.kind === "blob") continue;
    const tags = repositories.get(entry.repository) ?? [];
    repositories.set(entry.repository, tags);
    if (entry.kind === "tag") tags.push(entry.name);
  }
  if (query.get("tags") === "true") {
    sendJson(res, 200, { repositories: Object.fromEntries([...repositories].filter(([, tags]) => tags.length > 0)) });
    return;
  }
  const { names, headers } = page([...repositories.keys()].sort(), "/v2/_catalog", query);
  sendJson(res, 200, { repositories: names }, headers);
}
