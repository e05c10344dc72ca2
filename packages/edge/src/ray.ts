import { randomBytes } from "node:crypto";

const start = randomBytes(5).toString("hex");
let count = 0;

/** A new request id: 16 hex digits, unique while this process runs and most likely beyond, and the place that serves. */
export function nextRay(): string {
  count = (count + 1) % 0x1000000;
  return `${start}${count.toString(16).padStart(6, "0")}-LSH`;
}
