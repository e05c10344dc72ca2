import { open } from "node:fs/promises";
import { isErrno } from "@longshore/contract";

/** How many lines an error message shows of what a container wrote last. */
export const LAST_LINES = 20;
/** Enough for a stack trace; more belongs into the log itself. */
const TAIL_BYTES = 64 * 1024;

/**
 * The last `count` lines that a container wrote, oldest first, without conmon's prefix (`<time> <stdout|stderr> <F|P> `).
 * Only the end of the file is read. A log that is not there is empty.
 */
export async function tailLog(file: string, count: number): Promise<string[]> {
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - start), 0, size - start, start);
    const lines = joinPartial(
      buffer
        .subarray(0, bytesRead)
        .toString("utf8")
        .split("\n")
        .slice(start > 0 ? 1 : 0),
    );
    return count === 0 ? [] : lines.slice(-count);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/** conmon marks a piece of a long line with `P`; the line ends with the next `F`. */
function joinPartial(raw: string[]): string[] {
  const lines: string[] = [];
  let pending = "";
  for (const line of raw) {
    const match = /^\S+ (?:stdout|stderr) ([FP]) (.*)$/s.exec(line);
    if (match === null) continue;
    pending += match[2] ?? "";
    if (match[1] === "P") continue;
    lines.push(pending);
    pending = "";
  }
  return pending === "" ? lines : [...lines, pending];
}
