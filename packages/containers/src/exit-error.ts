import { ContainerError } from "./container-error.js";
import type { Exit } from "./run.js";

/** The error for a run that has ended before it could take a request. */
export function exitError(exit: Exit): ContainerError {
  if (!exit.started) return new ContainerError("START_FAILED", "The container did not start.");
  return new ContainerError("CONTAINER_EXITED", `The container's process ended with exit code ${exit.exitCode} before it was ready.`, {
    exitCode: exit.exitCode,
  });
}
