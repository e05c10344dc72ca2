import { LongshoreError } from "@longshore/contract";

/** How a process ended. `unknown` when it was not our child, so nobody told us. */
export type ProcessExit = { readonly code: number } | { readonly signal: string } | "unknown";

/** A workerd that runs, whoever started it. */
export interface WorkerdProcess {
  readonly pid: number;
  /** Clock ticks since boot: with `pid`, the process's name. */
  readonly startTime: number;
  /** Size of the log when it started: what it wrote comes after. */
  readonly logPosition: number;
  /** Resolves when the process is gone and its files are closed. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** SIGTERM now, SIGKILL after `graceMs`. Resolves when the process is gone. */
  stop(graceMs: number): Promise<void>;
  /** Stops watching: the process goes on, this program may end, `exited` no longer resolves. */
  letGo(): void;
}

export function describeExit(exit: ProcessExit): string {
  if (exit === "unknown") return "ended";
  return "code" in exit ? `ended with exit code ${exit.code}` : `was ended by ${exit.signal}`;
}

/** How long the kernel may take to end a killed process, in milliseconds. */
const KILL_MS = 10_000;

/** The two signals of `stop`, for both kinds of process. Errors: `INTERNAL` when even SIGKILL does not end it. */
export async function endWithin(graceMs: number, exited: Promise<unknown>, signal: (name: "SIGTERM" | "SIGKILL") => void): Promise<void> {
  signal("SIGTERM");
  if (await within(graceMs, exited)) return;
  signal("SIGKILL");
  if (await within(KILL_MS, exited)) return;
  throw new LongshoreError("INTERNAL", `A workerd does not end, ${KILL_MS / 1000} s after SIGKILL.`, {
    hint: "It may hang on its disk: look at the machine's kernel log.",
  });
}

async function within(ms: number, event: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([event.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
