import { type EngineFault, engineFault } from "./engine-error.js";
import type { Run } from "./run.js";
import type { LastStop, StopCause } from "./types.js";
import { withDeadline } from "./wait.js";

/** Where the engine is asked about a container: nothing listens here, and it answers at once. */
const ANY_PORT = 33;
const ANSWER_MS = 1000;

/** The engine's reasons for an end; any other is its own affair. */
const CAUSE_OF: Readonly<Record<string, StopCause>> = {
  exit: "exited",
  oom: "out_of_memory",
  rollout: "rollout",
  timeout: "hard_timeout",
  signal: "signal",
};

/** The engine's account of how `run` ended; `undefined` if it has none any more. Asked for once. */
export function engineAccount(run: Run): Promise<EngineFault | undefined> {
  run.account ??= engineSays(run);
  return run.account;
}

/** What the engine says of `run` now; `undefined` if it says nothing. */
export async function engineSays(run: Run): Promise<EngineFault | undefined> {
  try {
    await withDeadline(ANSWER_MS, undefined, (signal) => run.port(ANY_PORT).fetch("http://container/", { signal, redirect: "manual" }));
    return undefined;
  } catch (error) {
    run.forget(ANY_PORT);
    return engineFault(error);
  }
}

/** How `run` stopped, as far as the object knows by itself. */
export function lastStop(run: Run, exitCode: number | undefined, reason: LastStop["reason"]): LastStop {
  const unasked: StopCause = exitCode === undefined ? "not_started" : "exited";
  return { cause: run.toldBy ?? unasked, reason, time: Date.now(), ...(exitCode === undefined ? {} : { exitCode }) };
}

/** The same with what the engine says. What the object asked for itself, it knows better. */
export function explained(stop: LastStop, told: StopCause | undefined, fault: EngineFault): LastStop {
  const { reason = "", lastLines, message } = fault;
  const cause = told ?? (stop.cause === "not_started" ? "not_started" : (CAUSE_OF[reason] ?? (reason === "" ? stop.cause : "platform")));
  return { ...stop, cause, message, ...(lastLines && { lastLines }) };
}
