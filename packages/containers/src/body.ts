import type { ActivityTracker } from "./activity.js";

/**
 * A body of a known length up to this is not followed: it fits into the buffers on its way, so the container has no more part in it once the
 * answer's head is here.
 */
const SMALL_BODY_BYTES = 65_536;

/**
 * Passes an answer on, and ends one unit of activity when its body has been read to the end, given up, or has failed.
 */
export function trackBody(response: Response, activity: ActivityTracker): Response {
  const { body } = response;
  if (body === null || isSmall(response)) {
    activity.end();
    return response;
  }
  const { readable, writable } = new IdentityTransformStream();
  const done = () => activity.end();
  // A failure shows on `readable`, where the client sees it.
  body.pipeTo(writable).then(done, done);
  return new Response(readable, response);
}

function isSmall(response: Response): boolean {
  const length = response.headers.get("content-length");
  return length !== null && Number(length) <= SMALL_BODY_BYTES;
}
