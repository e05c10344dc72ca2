import { ContainerError } from "./container-error.js";
import { diagnose } from "./diagnosis.js";
import type { EngineFault } from "./engine-error.js";
import type { Lifecycle } from "./lifecycle.js";
import type { Run } from "./run.js";
import { sleep, withDeadline } from "./wait.js";

export const DEFAULT_WAIT_INTERVAL_MS = 300;
export const DEFAULT_INSTANCE_TIMEOUT_MS = 8000;
export const DEFAULT_PORT_TIMEOUT_MS = 20_000;

export interface WaitLimits {
  /** Unix time in milliseconds at which to give up. */
  readonly deadline: number;
  /** Pause after a refusal. */
  readonly intervalMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until the program answers on a port of `run`, and returns the number of tries. Longshore's engine holds a connection until the port
 * listens, so the first try is the last; where an engine refuses instead, it is tried again each `intervalMs`.
 * Throws a {@link ContainerError}: the process ended, the deadline passed, or the signal fired.
 */
export async function waitUntilReady(
  lifecycle: Lifecycle,
  run: Run,
  port: number,
  pingEndpoint: string,
  limits: WaitLimits,
): Promise<number> {
  // One that was told to stop may have closed its ports since.
  if (run.exit === undefined && run.signalledAt === undefined && run.readyPorts.has(port)) return 1;
  // What the engine said last: the end of the wait itself says nothing.
  let fault: EngineFault | undefined;
  for (let tries = 1; ; tries++) {
    try {
      const left = Math.max(1, limits.deadline - Date.now());
      const answer = await withDeadline(left, limits.signal, (signal) =>
        run.port(port).fetch(`http://${pingEndpoint}`, { signal, redirect: "manual" }),
      );
      lifecycle.answered(run, port);
      await answer.body?.cancel();
      return tries;
    } catch (error) {
      run.forget(port);
      if (limits.signal?.aborted) throw aborted(port, error);
      const diagnosis = await diagnose(run, error);
      if (diagnosis.kind !== "refused") throw diagnosis.error;
      fault = diagnosis.fault ?? fault;
      if (Date.now() >= limits.deadline) throw notListening(port, fault, error);
      await sleep(Math.min(limits.intervalMs, limits.deadline - Date.now()));
      if (limits.signal?.aborted) throw aborted(port, error);
    }
  }
}

/** The error for a port that did not listen in time. */
export function notListening(port: number, fault: EngineFault | undefined, cause: unknown): ContainerError {
  if (fault !== undefined) return ContainerError.from(fault, cause);
  return new ContainerError(
    "PORT_NOT_LISTENING",
    `Container is not listening to port ${port}: it runs, but nothing answered there in time.`,
    { cause },
  );
}

function aborted(port: number, cause: unknown): ContainerError {
  return new ContainerError("ABORTED", `The wait for port ${port} of the container was aborted.`, { cause });
}
