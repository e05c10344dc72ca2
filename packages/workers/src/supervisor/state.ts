import type { WorkerdProcess } from "../process/workerd-process.js";
import type { Release } from "../release.js";

/** From this many failures in a row on, requests are told so instead of waiting for the next try. */
const GIVE_UP_WAITING = 3;

/** What a script's supervisor is at. The socket listens in all but `stopped`. */
export type State =
  | { readonly kind: "stopped" }
  | {
      readonly kind: "running";
      readonly release: Release;
      readonly process: WorkerdProcess;
      readonly since: number;
      readonly failures: number;
    }
  /** Ended on purpose, the next one not there yet. */
  | { readonly kind: "replacing" }
  /** Ended by itself; tried again after a pause. */
  | { readonly kind: "restarting"; readonly release: Release; readonly failures: number; readonly reason: string }
  /** Never ran, and there is no older version to run. */
  | { readonly kind: "failed"; readonly reason: string }
  /** Handed over to the next server. */
  | { readonly kind: "detached" };

/** What a request can expect: see `WorkerUpstream.upstream`. While a process is replaced, connections wait in the socket's backlog. */
export function upstreamOf(state: State, socketPath: string): { socketPath: string } | { unavailable: string } | undefined {
  switch (state.kind) {
    case "stopped":
      return undefined;
    case "running":
    case "replacing":
      return { socketPath };
    case "restarting":
      return state.failures < GIVE_UP_WAITING ? { socketPath } : { unavailable: state.reason };
    case "failed":
      return { unavailable: state.reason };
    case "detached":
      return { unavailable: "Longshore is shutting down." };
  }
}
