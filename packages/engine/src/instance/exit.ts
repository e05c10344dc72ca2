import type { ExitReason, MemoryShortage } from "@longshore/contract";

/** Exit codes above this are a signal's number added to it, as shells and OCI runtimes count. */
const SIGNAL_BASE = 128;
const LAST_SIGNAL = 64;
const SIGKILL = 9;
const MIB = 1024 * 1024;

/** How a container's first process ended, and what was known of it before. */
export interface End {
  readonly code: number;
  /** False if it was never told to run its program. */
  readonly started: boolean;
  readonly stopReason: ExitReason | undefined;
  readonly memory: MemoryShortage | undefined;
}

/** What an exit is put down to. Being asked to stop outweighs the signal that did it; running out of memory outweighs the signal it ends with. */
export function exitReason({ code, started, stopReason, memory }: End): ExitReason {
  if (stopReason !== undefined) return stopReason;
  if (!started) return "start_failure";
  if (memory !== undefined && code === SIGNAL_BASE + SIGKILL) return "oom";
  return code > SIGNAL_BASE && code <= SIGNAL_BASE + LAST_SIGNAL ? "signal" : "exit";
}

/** For an error message and a log: how much memory there was, and how much was used. */
export function shortageText({ limitBytes, peakBytes, kills }: MemoryShortage): string {
  const killed = kills === 1 ? "1 process was killed" : `${kills} processes were killed`;
  return `out of memory: the limit is ${mib(limitBytes)}, the peak was ${mib(peakBytes)}, ${killed}`;
}

function mib(bytes: number): string {
  return `${Math.round((bytes / MIB) * 10) / 10} MiB`;
}
