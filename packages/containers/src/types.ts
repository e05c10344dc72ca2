/** The public types of the Container class. */

import type { Use } from "./activity.js";

/** What `ctx.container.start` takes. */
export type ContainerStartOptions = NonNullable<Parameters<NonNullable<DurableObjectState["container"]>["start"]>[0]>;

/** What becomes of a container that has been idle for `sleepAfter`. */
export type SleepMode = "stop" | "freeze";

/** Options that a subclass may pass to the constructor in place of class fields. */
export interface ContainerOptions {
  id?: string;
  defaultPort?: number;
  sleepAfter?: string | number;
  sleepMode?: SleepMode;
  envVars?: Record<string, string>;
  entrypoint?: string[];
  enableInternet?: boolean;
}

/** What one start may override. */
export interface ContainerStartConfigOptions {
  envVars?: Record<string, string>;
  entrypoint?: string[];
  enableInternet?: boolean;
  /** The container is killed this many milliseconds after its start, whatever it does. */
  hardTimeout?: number;
  /** At most ten, names of at most 16 bytes, values of at most 64. */
  labels?: Record<string, string>;
  /** Directories that the container is to have, from `snapshotDirectory`. */
  directorySnapshots?: ContainerDirectorySnapshotRestoreParams[];
  /** The disk that the container is to have in place of its image's, from `snapshotContainer`. */
  containerSnapshot?: ContainerSnapshotRestoreParams;
  /** Another image of the account, in place of the class's. */
  image?: string;
}

export interface CancellationOptions {
  abort?: AbortSignal;
  /** Longest wait for the container to be started, in milliseconds. Default 8000. */
  instanceGetTimeoutMS?: number;
  /** Longest wait for all ports to listen, in milliseconds. Default 20000. */
  portReadyTimeoutMS?: number;
  /** Pause between two tries where the engine refuses instead of waiting, in milliseconds. Default 300. */
  waitInterval?: number;
}

export interface StartAndWaitForPortsOptions {
  startOptions?: ContainerStartConfigOptions;
  ports?: number | number[];
  cancellationOptions?: CancellationOptions;
}

export interface WaitOptions {
  portToCheck: number;
  signal?: AbortSignal;
  /** Tries before giving up; with `waitInterval` it bounds the whole wait. Default 67. */
  retries?: number;
  /** Milliseconds. Default 300. */
  waitInterval?: number;
}

export interface StopParams {
  exitCode: number;
  /** `exit`: the process ended by itself. `runtime_signal`: it was told to. */
  reason: "exit" | "runtime_signal";
}

/** What is known of the container. `running` has not yet answered on a port, `healthy` has. */
export type State = {
  /** Unix time in milliseconds. */
  lastChange: number;
  /** What keeps it awake now: how many of each kind are open. Only there while it runs. */
  inUse?: Readonly<Record<Use, number>>;
  /** When it goes to sleep if nothing happens until then, in Unix milliseconds. Only there while nothing is open. */
  sleepsAt?: number;
  /** How it stopped last. */
  lastStop?: LastStop;
} & ({ status: "running" | "stopping" | "stopped" | "healthy" } | { status: "stopped_with_code"; exitCode?: number });

/**
 * Why a container stopped. By its object: it was `idle`, or `stop()` or `destroy()` was called. By itself: its program `exited`, or ran `out_of_memory`.
 * By the platform: a `rollout`, its `hard_timeout`, the `platform` for another reason, a `signal` of somebody else's. `not_started`: it never ran.
 * `unknown`: it ended while its object was not in memory.
 */
export type StopCause =
  | "idle"
  | "stop"
  | "destroy"
  | "exited"
  | "out_of_memory"
  | "rollout"
  | "hard_timeout"
  | "platform"
  | "signal"
  | "not_started"
  | "unknown";

export interface LastStop {
  cause: StopCause;
  /** As `onStop` got it. */
  reason: StopParams["reason"];
  /** Missing if it is not known, or the program never ran. */
  exitCode?: number;
  /** Unix time in milliseconds. */
  time: number;
  /** The last lines that the program wrote, oldest first, as far as they are known. */
  lastLines?: readonly string[];
  /** What the platform says about it. */
  message?: string;
}

export type ContainerEventHandler = () => void | Promise<void>;

export interface ContainerMessage<T = unknown> {
  type: string;
  payload?: T;
}

/** A method call that is due later. */
export type Schedule<T = string> = {
  taskId: string;
  callback: string;
  payload: T;
  /** Unix time in seconds. */
  time: number;
} & ({ type: "scheduled" } | { type: "delayed"; delayInSeconds: number });

export type Signal = "SIGKILL" | "SIGINT" | "SIGTERM";
export type SignalInteger = number;
