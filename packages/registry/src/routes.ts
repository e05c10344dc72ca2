import { DIGEST_PATTERN } from "@longshore/contract";
import { RegistryError } from "./errors.js";

/** A manifest is named by its digest or by a tag. */
export type Reference = { readonly digest: string; readonly tag?: undefined } | { readonly tag: string; readonly digest?: undefined };

/** What a request is about. */
export type Target =
  | { readonly kind: "base" }
  | { readonly kind: "catalog" }
  | { readonly kind: "gc" }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: string }
  | { readonly kind: "uploads"; readonly repository: string }
  | { readonly kind: "upload"; readonly repository: string; readonly id: string }
  | { readonly kind: "manifest"; readonly repository: string; readonly reference: Reference }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: string };

const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const LONGEST_REPOSITORY = 250;

/**
 * Finds what a request path (not decoded, without query) is about; `undefined` when there is no such route.
 * Errors: `NAME_INVALID`, `DIGEST_INVALID`. Whatever is returned is safe to build bucket keys from.
 */
export function parsePath(path: string): Target | undefined {
  const decoded = decode(path);
  if (decoded === "/v2" || decoded === "/v2/") return { kind: "base" };
  if (decoded === "/v2/_catalog") return { kind: "catalog" };
  if (decoded === "/v2/gc/layers") return { kind: "gc" };

  // Greedy: a repository may itself have a part called "blobs".
  const match = /^\/v2\/(.+)\/(?:(tags)\/list|(blobs)\/uploads\/?|(?:blobs\/(uploads)|(blobs|manifests|referrers))\/([^/]+))$/.exec(
    decoded,
  );
  if (match === null) return undefined;
  const [, name = "", tags, uploads, upload, kind, last = ""] = match;
  const repository = checkedRepository(name);
  if (tags !== undefined) return { kind: "tags", repository };
  if (uploads !== undefined) return { kind: "uploads", repository };
  if (upload !== undefined) return { kind: "upload", repository, id: last };
  if (kind === "manifests") return { kind: "manifest", repository, reference: checkedReference(last) };
  return { kind: kind === "blobs" ? "blob" : "referrers", repository, digest: checkedDigest(last) };
}

/** Errors: `NAME_INVALID` when this is no repository's name. */
export function checkedRepository(name: string): string {
  if (name.length <= LONGEST_REPOSITORY && REPOSITORY.test(name)) return name;
  throw new RegistryError("NAME_INVALID", `${JSON.stringify(name)} cannot be the name of a repository.`, {
    hint: `Names are at most ${LONGEST_REPOSITORY} characters: parts of a-z and 0-9 joined by "/", inside a part single ".", "_" or "-" between them.`,
  });
}

/** Errors: `DIGEST_INVALID` when this is not a digest that the registry stores. */
export function checkedDigest(digest: string): string {
  if (DIGEST_PATTERN.test(digest)) return digest;
  throw new RegistryError("DIGEST_INVALID", `${JSON.stringify(digest)} is not a digest that this registry stores.`, {
    hint: 'Use "sha256:" and 64 lower case hex digits, or "sha512:" and 128.',
  });
}

/** Errors: `NAME_INVALID` when this cannot be a tag. */
export function checkedTag(tag: string): string {
  if (TAG.test(tag)) return tag;
  throw new RegistryError("NAME_INVALID", `${JSON.stringify(tag)} cannot be a tag.`, {
    hint: "A tag is at most 128 letters, digits, dots, dashes and underscores, and begins with none of dot and dash.",
  });
}

function checkedReference(reference: string): Reference {
  return reference.includes(":") ? { digest: checkedDigest(reference) } : { tag: checkedTag(reference) };
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new RegistryError("NAME_INVALID", `The path ${path} is not properly encoded.`, { cause });
  }
}
