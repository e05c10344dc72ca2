import { readLog } from "./read.js";

/** How many lines an error message shows of what a container wrote last. */
export const LAST_LINES = 20;
/** Enough for a stack trace; more belongs into the log itself. */
const LINE_BYTES = 16 * 1024;

/** The last `count` lines that a container wrote, oldest first; very long ones cut. A log that is not there is empty. */
export async function tailLog(file: string, count: number): Promise<string[]> {
  const lines: string[] = [];
  let pending: Buffer[] = [];
  for await (const { text, whole } of readLog(file, { tail: count })) {
    pending.push(text);
    if (!whole) continue;
    lines.push(Buffer.concat(pending).subarray(0, LINE_BYTES).toString("utf8"));
    pending = [];
  }
  if (pending.length > 0) lines.push(Buffer.concat(pending).subarray(0, LINE_BYTES).toString("utf8"));
  return count === 0 ? [] : lines.slice(-count);
}
