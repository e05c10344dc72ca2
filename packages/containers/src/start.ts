import { ContainerError } from "./container-error.js";
import { engineSays } from "./engine-account.js";
import { exitError } from "./exit-error.js";
import type { Lifecycle } from "./lifecycle.js";
import { DEFAULT_INSTANCE_TIMEOUT_MS, DEFAULT_PORT_TIMEOUT_MS, DEFAULT_WAIT_INTERVAL_MS, waitUntilReady } from "./readiness.js";
import type { Run } from "./run.js";
import type { CancellationOptions, ContainerStartConfigOptions, WaitOptions } from "./types.js";
import { withDeadline, within } from "./wait.js";

/** Starts the container if needed and waits until all `ports` answer, then calls `onStart`. Failures go to `onError` and are thrown. */
export async function startAndWait(
  lifecycle: Lifecycle,
  ports: readonly number[],
  pingEndpoint: string,
  options: CancellationOptions,
  start: ContainerStartConfigOptions,
): Promise<void> {
  if (ports.length === 0) return startOnly(lifecycle, start, options.abort === undefined ? {} : { signal: options.abort });
  options.abort?.throwIfAborted();
  const portMs = options.portReadyTimeoutMS ?? DEFAULT_PORT_TIMEOUT_MS;
  const since = Date.now();
  const limits = {
    deadline: since + (options.instanceGetTimeoutMS ?? DEFAULT_INSTANCE_TIMEOUT_MS) + portMs,
    portMs,
    since,
    intervalMs: options.waitInterval ?? DEFAULT_WAIT_INTERVAL_MS,
    signal: options.abort,
  };
  const run = await lifecycle.acquire(start);
  try {
    await Promise.all(ports.map((port) => waitUntilReady(lifecycle, run, port, pingEndpoint, limits)));
    await lifecycle.started(run);
  } catch (error) {
    await lifecycle.report(run, error);
    throw error;
  }
}

/** Starts the container if needed, makes sure that its process ran, then calls `onStart`. */
export async function startOnly(lifecycle: Lifecycle, start: ContainerStartConfigOptions, options: Partial<WaitOptions>): Promise<void> {
  options.signal?.throwIfAborted();
  const run = await lifecycle.acquire(start);
  try {
    await assertRan(lifecycle, run, options.signal);
    await lifecycle.started(run);
  } catch (error) {
    await lifecycle.report(run, error);
    throw error;
  }
}

/** `waitForPort`: the program must have been started. */
export async function waitOnPort(lifecycle: Lifecycle, pingEndpoint: string, options: WaitOptions): Promise<number> {
  const { run } = lifecycle;
  if (run === undefined)
    throw new ContainerError("NOT_RUNNING", `There is no wait for port ${options.portToCheck}: the container does not run.`);
  const intervalMs = options.waitInterval ?? DEFAULT_WAIT_INTERVAL_MS;
  const retries = options.retries ?? Math.ceil(DEFAULT_PORT_TIMEOUT_MS / intervalMs);
  const since = Date.now();
  const portMs = retries * intervalMs;
  const limits = { deadline: since + portMs, portMs, since, intervalMs, signal: options.signal };
  try {
    return await waitUntilReady(lifecycle, run, options.portToCheck, pingEndpoint, limits);
  } catch (error) {
    await lifecycle.report(run, error);
    throw error;
  }
}

/** Returns if the process of `run` runs, or ran and has ended by itself; throws the engine's reason if it never did. */
async function assertRan(lifecycle: Lifecycle, run: Run, signal: AbortSignal | undefined): Promise<void> {
  if (run.adopted || run.readyPorts.size > 0) return;
  if (await withDeadline(DEFAULT_INSTANCE_TIMEOUT_MS, signal, () => lifecycle.isUp())) return;
  const exit = run.exit ?? (await within(DEFAULT_INSTANCE_TIMEOUT_MS, run.over));
  if (exit === undefined || exit.started) return;
  const fault = await engineSays(run);
  throw fault === undefined ? exitError(exit) : ContainerError.from(fault, undefined);
}
