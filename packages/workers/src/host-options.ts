import type { Databases, KeyValues, Queues, ReadAccountSecret, TraceSource, WorkerHost, WorkerUpstream } from "@longshore/contract";
import type { ReadModule } from "./release.js";

export interface WorkerHostOptions {
  /** Durable Objects' storage and logs, `<script>/…`. workerd's user must be able to reach it. */
  readonly dataDirectory: string;
  /** Sockets, process records and configurations, `<script>/…`. May be emptied by a reboot; holds secrets. */
  readonly runDirectory: string;
  /** The bytes of a module, by its bucket key. */
  readonly readModule: ReadModule;
  /**
   * Called before a running workerd is ended for a new version: hold the script's traffic and that of `callers`, Workers that call it directly or not,
   * and shut the engine's gate. Disposed when the script is served again.
   */
  readonly beforeStop: (script: string, callers: readonly string[]) => Promise<AsyncDisposable>;
  /** For Workers that are bound to secrets of the account's; none are there when it is left out. */
  readonly readSecret?: ReadAccountSecret;
  /** Who workerd runs as; this process's own user when left out. */
  readonly uid?: number;
  readonly gid?: number;
  /** The workerd program; npm's own when left out. */
  readonly workerdPath?: string;
  /** Unix socket of whoever holds R2's buckets and speaks the protocol of workerd's R2 bindings, with the bucket in `STORE_HEADER`. */
  readonly objectsSocket?: string;
  /** Where Workers may connect to, in workerd's words. Default: `["public"]`. */
  readonly allowedNetworks?: readonly string[];
  /** From SIGTERM to SIGKILL, in milliseconds. Open WebSockets use all of it. Default: 1,000. */
  readonly stopGraceMs?: number;
  /** Longest start of a workerd, in milliseconds. Default: 30,000. */
  readonly readyTimeoutMs?: number;
  /** Size in bytes at which a log is rotated. Default: 8 MiB. */
  readonly maxLogBytes?: number;
  readonly log: (message: string) => void;
}

export interface RunningWorkerHost extends WorkerHost, WorkerUpstream, TraceSource {
  /** Ends what runs for any script that is not among these: call it once it is known what should run. Nothing stored is deleted. */
  retain(scripts: Iterable<string>): Promise<void>;
  readonly keyValues: KeyValues;
  readonly databases: Databases;
  readonly queues: Queues;
  /** The file with the script's output; see also `<file>.1`. */
  logPath(script: string): string;
  /** Ends every workerd. */
  close(): Promise<void>;
  /** Leaves every workerd running for the next host on the same directories. */
  detach(): Promise<void>;
}
