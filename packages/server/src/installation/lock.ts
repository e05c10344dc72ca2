import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import koffi from "koffi";

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes a data directory for this process. The kernel gives it back when the process ends, however it ends, so no stale lock can stay.
 * Errors: `CONFLICT` when another process has it.
 */
export function lockDataDirectory(data: string): Disposable {
  const fd = openSync(join(data, "lock"), "a", 0o600);
  const flock = koffi.load("libc.so.6").func("int flock(int fd, int operation)");
  if (flock(fd, LOCK_EX | LOCK_NB) !== 0) {
    closeSync(fd);
    throw new LongshoreError("CONFLICT", `Longshore runs on the data directory ${data} already.`, {
      hint: `Look at it with "longshore status --data ${data}", end it with "longshore down --data ${data}", or name another directory.`,
    });
  }
  return { [Symbol.dispose]: () => closeSync(fd) };
}
