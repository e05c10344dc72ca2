import type { ExitReason } from "@longshore/contract";

/** Exit codes above this are a signal's number added to it, as shells and OCI runtimes count. */
const SIGNAL_BASE = 128;

/** What an exit is put down to. Being asked to stop outweighs the signal that did it; running out of memory outweighs the signal it ends with. */
export function exitReason(code: number, stopReason: ExitReason | undefined, oomKills: number): ExitReason {
  if (stopReason !== undefined) return stopReason;
  if (oomKills > 0 && code === SIGNAL_BASE + 9) return "oom";
  return code > SIGNAL_BASE && code <= SIGNAL_BASE + 64 ? "signal" : "exit";
}
