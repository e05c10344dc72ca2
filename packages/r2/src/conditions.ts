/** An ETag that a condition names; without quotes. */
export type Etag = { readonly type: "strong" | "weak"; readonly value: string } | { readonly type: "wildcard" };

/** R2's conditions (`onlyIf`), and HTTP's. Times in milliseconds since 1970. */
export interface Condition {
  readonly etagMatches?: readonly Etag[];
  readonly etagDoesNotMatch?: readonly Etag[];
  /** The object must be older. */
  readonly uploadedBefore?: number;
  /** The object must be newer. */
  readonly uploadedAfter?: number;
  /** Times are compared without their milliseconds, as HTTP's dates have none. */
  readonly secondsGranularity?: boolean;
}

/** `changed`: it is not the object that the caller knows (412). `same`: it is, and the caller wants another (304). */
export type Verdict = "holds" | "changed" | "same";

/** Whether a condition holds for an object, `undefined` for none. In RFC 9110's order: dates count only where no ETag has decided. */
export function judge(condition: Condition, object: { readonly etag: string; readonly uploaded: number } | undefined): Verdict {
  const { etagMatches, etagDoesNotMatch, uploadedBefore, uploadedAfter } = condition;
  if (object === undefined) return etagMatches === undefined && uploadedAfter === undefined ? "holds" : "changed";
  const time = (ms: number) => (condition.secondsGranularity === true ? Math.floor(ms / 1000) : ms);
  const uploaded = time(object.uploaded);
  if (etagMatches !== undefined) {
    if (!includes(etagMatches, object.etag, "strong")) return "changed";
  } else if (uploadedBefore !== undefined && uploaded >= time(uploadedBefore)) return "changed";
  if (etagDoesNotMatch !== undefined) {
    if (includes(etagDoesNotMatch, object.etag, "weak")) return "same";
  } else if (uploadedAfter !== undefined && uploaded <= time(uploadedAfter)) return "same";
  return "holds";
}

function includes(etags: readonly Etag[], etag: string, comparison: "strong" | "weak"): boolean {
  return etags.some((each) => each.type === "wildcard" || (each.value === etag && (each.type === "strong" || comparison === "weak")));
}

/** `If-Match` and its like: a list of ETags, or `*`. */
export function parseEtags(header: string): Etag[] {
  if (header.trim() === "*") return [{ type: "wildcard" }];
  // Clients of S3 also leave out the quotes.
  return [...header.matchAll(/(W\/)?(?:"([^"]*)"|([^\s,"]+))/g)].map(([, weak, quoted, bare]) => ({
    type: weak === undefined ? "strong" : "weak",
    value: quoted ?? bare ?? "",
  }));
}
