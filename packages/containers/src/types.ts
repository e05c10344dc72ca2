/** The public types of the Container class. */

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
} & ({ status: "running" | "stopping" | "stopped" | "healthy" } | { status: "stopped_with_code"; exitCode?: number });

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
