/**
 * Where R2 keeps things in the bucket of the installation. A bucket of R2's has an id that is never used again, so that nothing of a deleted one
 * can come up in its namesake:
 * ```
 * r2/buckets/<name>                      its record
 * r2/objects/<id>/<encoded key>          bytes, then the trailer (stored-form.ts)
 * r2/uploads/<id>/<upload>/head          what an upload in parts is for
 * r2/uploads/<id>/<upload>/<part>        a part, in the form of an object
 * ```
 */
export const BUCKETS = "r2/buckets/";
export const UPLOADS = "r2/uploads/";

export const objectsOf = (id: string): string => `r2/objects/${id}/`;
export const uploadsOf = (id: string): string => `${UPLOADS}${id}/`;

/** Sorts behind all that begins with `text`. */
export const behind = (text: string): string => `${text}~`;
