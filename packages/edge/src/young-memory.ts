import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Memory for bytes that pass through is collected each time so much of it was taken. In the server twice as much was too late: V8 was first. */
const COLLECT_AFTER_BYTES = 4 * 1024 * 1024;

const collectYoung = youngCollector();
let bytesTaken = 0;

/**
 * To be told of memory that Node.js took for bytes that only pass through. It takes new memory for each piece of a request's body, and V8 collects the
 * whole heap after some 25 MB of that, which costs more than passing the bytes on. What is young is collected here in a millisecond, and their
 * memory is nearly all of it.
 */
export function passedThrough(bytes: number): void {
  bytesTaken += bytes;
  if (bytesTaken < COLLECT_AFTER_BYTES) return;
  bytesTaken = 0;
  collectYoung();
}

function youngCollector(): () => void {
  // The one way to V8's collector. The flag counts when a context is made: no other gets it.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: { type: "minor" }) => void;
  setFlagsFromString("--no-expose-gc");
  return () => collect({ type: "minor" });
}
