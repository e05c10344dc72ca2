import { ContainerError } from "./container-error.js";
import { diagnose } from "./diagnosis.js";
import { engineSays } from "./engine-account.js";
import type { EngineFault } from "./engine-error.js";
import type { Lifecycle } from "./lifecycle.js";
import type { Run } from "./run.js";
import { sleep, withDeadline } from "./wait.js";

export const DEFAULT_WAIT_INTERVAL_MS = 300;
export const DEFAULT_INSTANCE_TIMEOUT_MS = 8000;
export const DEFAULT_PORT_TIMEOUT_MS = 20_000;

export interface WaitLimits {
  /** Unix time in milliseconds at which to give up, whatever the container does. */
  readonly deadline: number;
  /** How long the port may take to open once the program runs, in milliseconds. */
  readonly portMs: number;
  /** The port has that long from this moment too, though the program may have been running before. Unix time in milliseconds. */
  readonly since: number;
  /** Pause after a refusal. */
  readonly intervalMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** When a port that is not open has had its time. `startedAt`: when the program began to run; `undefined` if nobody knows. Unix times in milliseconds. */
export function lateAt({ deadline, portMs, since }: Omit<WaitLimits, "intervalMs">, startedAt: number | undefined): number {
  return startedAt === undefined ? deadline : Math.min(deadline, Math.max(since, startedAt) + portMs);
}

/** When the program began to run, by what the engine has just said. */
export function startedAt(fault: EngineFault | undefined): number | undefined {
  return fault?.runningMs === undefined ? undefined : Date.now() - fault.runningMs;
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
  // As if the program began to run just now, until it is known.
  let until = lateAt(limits, Date.now());
  let known = false;
  for (let tries = 1; ; tries++) {
    try {
      const left = Math.max(1, until - Date.now());
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
      const said = diagnosis.fault ?? (known || Date.now() < until ? undefined : await engineSays(run));
      fault = said ?? fault;
      if (!known && (said?.runningMs !== undefined || Date.now() >= until)) {
        until = lateAt(limits, startedAt(said));
        known = true;
      }
      if (Date.now() >= until) throw notListening(port, fault, error);
      await sleep(Math.min(limits.intervalMs, until - Date.now()));
      if (limits.signal?.aborted) throw aborted(port, error);
    }
  }
}

/** The error for a port that did not listen in time. */
export function notListening(port: number, fault: EngineFault | undefined, cause: unknown): ContainerError {
  const { listening, lastLines = [] } = fault ?? {};
  if (fault !== undefined && listening === undefined) return ContainerError.from(fault, cause);
  const what =
    listening === undefined
      ? "it runs, but nothing answered there in time"
      : `the container is not listening ${listening.length === 0 ? "on any port" : `there, only on ${listening.join(", ")}`}`;
  return new ContainerError("PORT_NOT_LISTENING", `Container is not listening to port ${port}: ${what}.`, { cause, lastLines });
}

function aborted(port: number, cause: unknown): ContainerError {
  return new ContainerError("ABORTED", `The wait for port ${port} of the container was aborted.`, { cause });
}
