import type { ActivityTracker } from "./activity.js";

/**
 * A body of a known length up to this is not followed: it fits into the buffers on its way, so the container has no more part in it once the
 * answer's head is here.
 */
const SMALL_BODY_BYTES = 65_536;

/**
 * Passes an answer on, and ends one unit of activity when its body has been read to the end, given up, or has failed.
 * `encoded` tells that the body is to be passed on as it comes, compressed or not; otherwise whoever reads it gets it decompressed.
 */
export function trackBody(response: Response, encoded: boolean, activity: Pick<ActivityTracker, "become" | "end">): Response {
  const { body, headers } = response;
  if (body === null) {
    activity.end();
    return response;
  }
  const length = contentLength(headers);
  if (length !== undefined && length <= SMALL_BODY_BYTES) {
    activity.end();
    return response;
  }
  // The length stays known to the client, unless what passes here has another one.
  const sameBytes = encoded || !headers.has("content-encoding");
  const { readable, writable } = length !== undefined && sameBytes ? new FixedLengthStream(length) : new IdentityTransformStream();
  activity.become("streams");
  const done = () => activity.end("streams");
  // A failure shows on `readable`, where the client sees it.
  body.pipeTo(writable).then(done, done);
  return new Response(readable, response);
}

function contentLength(headers: Headers): number | undefined {
  const value = headers.get("content-length");
  return value === null ? undefined : Number(value);
}
