import { ContainerError } from "./container-error.js";
import { type EngineFault, engineFault } from "./engine-error.js";
import { exitError } from "./lifecycle.js";
import type { Exit, Run } from "./run.js";
import { within } from "./wait.js";

/** How long to wait for the news of an exit, once the engine has said that there was one. */
const EXIT_NEWS_MS = 5000;
/** How long to wait for it when the connection just broke, which is what a crash looks like at first. */
const CRASH_NEWS_MS = 250;

/** Why an attempt on a port failed. `untouched` tells that no byte of it can have reached the program. */
export type Diagnosis =
  | { readonly kind: "gone"; readonly exit: Exit; readonly error: ContainerError; readonly untouched: boolean }
  | { readonly kind: "refused"; readonly fault: EngineFault | undefined; readonly untouched: boolean }
  | { readonly kind: "fatal"; readonly error: ContainerError };

/** Finds out why an attempt on a port of `run` failed: from the engine's own account if there is one, else from whether the process still lives. */
export async function diagnose(run: Run, error: unknown): Promise<Diagnosis> {
  const fault = engineFault(error);
  const untouched = fault !== undefined;
  if (fault !== undefined && fault.code !== "PORT_NOT_LISTENING" && fault.code !== "CONTAINER_EXITED") {
    // The run is void: let that be noticed, so that the next request begins a new one.
    await within(EXIT_NEWS_MS, run.over);
    return { kind: "fatal", error: ContainerError.from(fault, error) };
  }
  const exit = run.exit ?? (await within(fault?.code === "CONTAINER_EXITED" ? EXIT_NEWS_MS : CRASH_NEWS_MS, run.over));
  if (exit !== undefined) {
    return { kind: "gone", exit, error: fault === undefined ? exitError(exit) : ContainerError.from(fault, error), untouched };
  }
  return { kind: "refused", fault, untouched };
}
