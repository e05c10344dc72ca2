import { ContainerError } from "./container-error.js";
import { engineAccount, engineSays } from "./engine-account.js";
import { type EngineFault, type EngineFaultCode, engineFault } from "./engine-error.js";
import { exitError } from "./exit-error.js";
import type { Run } from "./run.js";
import { within } from "./wait.js";

/** How long to wait for the news of an exit, once the engine has said that there was one. */
const EXIT_NEWS_MS = 5000;
/** How long to wait for it when the connection just broke, which is what a crash looks like at first. */
const CRASH_NEWS_MS = 250;

/** What the engine refuses while the process runs: it may take the next attempt. */
const REFUSALS: ReadonlySet<EngineFaultCode> = new Set(["PORT_NOT_LISTENING", "TOO_MANY_CONNECTIONS"]);
/** The engine's reasons for an exit that say nothing about the program: it was replaced or told to stop. */
const INTERRUPTIONS: ReadonlySet<string> = new Set(["rollout", "timeout", "drain", "policy", "signal"]);

/**
 * Why an attempt on a port failed. `unseen` tells that no byte of it can have reached the program, `interrupted` that the process did not end
 * by itself.
 */
export type Diagnosis =
  | { readonly kind: "gone"; readonly error: ContainerError; readonly interrupted: boolean; readonly unseen: boolean }
  | { readonly kind: "refused"; readonly fault: EngineFault | undefined; readonly unseen: boolean }
  | { readonly kind: "fatal"; readonly error: ContainerError };

/** Finds out why an attempt on a port of `run` failed: from the engine's own account if there is one, else from whether the process still lives. */
export async function diagnose(run: Run, error: unknown): Promise<Diagnosis> {
  const fault = engineFault(error);
  const unseen = fault !== undefined;
  if (fault?.code === "CONTAINER_EXITED") run.account ??= Promise.resolve(fault);
  const over = fault?.code === "CONTAINER_EXITED" || fault?.code === "NOT_RUNNING";
  if (fault !== undefined && !REFUSALS.has(fault.code) && !over) {
    // The run is void: let that be noticed, so that the next request begins a new one.
    await within(EXIT_NEWS_MS, run.over);
    return { kind: "fatal", error: ContainerError.from(fault, error) };
  }
  let exit = run.exit ?? (await within(over ? EXIT_NEWS_MS : CRASH_NEWS_MS, run.over));
  // A program that had answered broke off: where the news is late, the engine knows it first.
  const brokeOff = fault === undefined && (run.adopted || run.readyPorts.size > 0);
  if (exit === undefined && brokeOff && (await engineSays(run))?.code === "CONTAINER_EXITED") exit = await within(EXIT_NEWS_MS, run.over);
  if (exit !== undefined) {
    const interrupted = await wasInterrupted(run);
    const account = await run.account;
    const known = account?.code === "CONTAINER_EXITED";
    return { kind: "gone", error: known ? ContainerError.from(account, error) : exitError(exit), interrupted, unseen };
  }
  return { kind: "refused", fault, unseen };
}

/**
 * True if the process of `run` has ended because it was told to. One that the platform told, at a rollout for instance, may end with any code: the
 * engine is asked, which also says what the program wrote last.
 */
export async function wasInterrupted(run: Run): Promise<boolean> {
  if (run.exit === undefined || run.exit.interrupted || !run.exit.started) return run.exit?.interrupted ?? false;
  const reason = (await engineAccount(run))?.reason;
  return reason !== undefined && INTERRUPTIONS.has(reason);
}
