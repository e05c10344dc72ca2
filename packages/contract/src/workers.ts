import type { DurableObjectNamespace, WorkerVersion } from "./worker-version.js";

/** What a script should be running as. */
export interface WorkerTarget {
  /** Script name. */
  readonly script: string;
  readonly version: WorkerVersion;
  /** Every Durable Object class of the script, bound or not: their data must stay reachable. */
  readonly namespaces: readonly DurableObjectNamespace[];
  /** When its `scheduled` handler runs: cron expressions as Cloudflare reads them, in UTC. */
  readonly crons?: readonly string[];
  /** Whether others can listen to what it does: costs some microseconds for each event. */
  readonly traced?: boolean;
  /** Unix socket of this application's engine, when it has containers. */
  readonly engineSocket?: string;
}

/** Runs one workerd per script. */
export interface WorkerHost {
  /**
   * Starts the version in a throwaway process to see that it loads. Nothing that is running is touched.
   * Errors: `INVALID_INPUT` with workerd's own words when the code does not start, `UNSUPPORTED` for a binding that cannot be served.
   */
  check(target: WorkerTarget): Promise<{ startupMs: number }>;
  /** Replaces what runs for the script. Resolves when the new process answers; on failure the old version is started again, and it throws. */
  apply(target: WorkerTarget): Promise<void>;
  /** Ends the script's process. With `deleteData`, its Durable Objects' storage too. */
  remove(script: string, options: { deleteData: boolean }): Promise<void>;
}

/**
 * The value of a secret of the account's that Workers may read, at this moment; `undefined` when there is none.
 * Errors: `INTERNAL` when it cannot be decrypted.
 */
export type ReadAccountSecret = (storeId: string, secretName: string) => Promise<string | undefined>;

/** Where a request of a script goes: the edge's view of the worker host. */
export interface WorkerUpstream {
  /** The unix socket that the script's workerd listens on, or why it cannot be reached. */
  upstream(script: string): { socketPath: string } | { unavailable: string } | undefined;
  /** Calls the listener after each change of `upstream(script)` or of the process behind it, until disposed. The listener must not throw. */
  onChange(listener: (script: string) => void): Disposable;
}

/** The edge's promise to whoever replaces a process or a container: nobody is served meanwhile, and nobody is turned away. */
export interface TrafficGate {
  /**
   * Holds new requests of these scripts at a moment when none of theirs is under way. What takes long – a stream, an upload, a WebSocket – is waited for
   * up to `drainMs`, and meanwhile new requests are served: they are held only while short ones end. With 0 it waits for nothing.
   * Disposing lets the held ones go on.
   */
  hold(scripts: readonly string[], drainMs: number): Promise<TrafficHold>;
}

export interface TrafficHold extends AsyncDisposable {
  /** Ends what is still under way to this one of the scripts: its time is up. */
  cut(script: string): void;
}

/** Request header that says whether a request came by http or https: `request.url` follows it. Set by whom {@link CF_HEADER} is. */
export const PROTOCOL_HEADER = "Longshore-Proto";

/** Request header in which `request.cf` travels to a Worker's process, as JSON. The edge and Workers that call each other set it; no client can. */
export const CF_HEADER = "Longshore-Cf";
