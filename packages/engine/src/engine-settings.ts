import type { AccountLimits } from "@longshore/contract";
import type { EgressSettings } from "./egress/egress-network.js";
import type { Log } from "./engine-parts.js";
import type { BuildCommand } from "./image/build/build.js";
import type { ImageSource } from "./image/types.js";

export interface EngineSettings {
  readonly dataDirectory: string;
  /** For sockets and what ends with the machine; its path must be short, since a socket's name has at most 107 bytes. */
  readonly runDirectory: string;
  /** 32 bytes that containers' environments are encrypted with where they are kept; the same after each restart. */
  readonly recordsKey: Uint8Array;
  readonly images: ImageSource;
  /** Absolute path of an OCI runtime: crun, runc, or one that takes the same arguments (sandbox/runtimes.ts). */
  readonly runtime: string;
  /** Other runtimes for some applications: paths by the applications' names. */
  readonly runtimes?: Readonly<Record<string, string>>;
  /** Sandboxes kept ready for each class. */
  readonly poolDepth: number;
  /** True lets more of them wait where there is memory to spare: as many as can start, by `max_instances`. */
  readonly poolAhead?: boolean;
  /** False lets containers write as much as the host's disk takes; true, unless it is given, limits them where the host can. */
  readonly limitDisks?: boolean;
  /** False keeps containers in the host's user namespace; true, unless it is given, gives each ids of its own where the host can. */
  readonly userNamespaces?: boolean;
  /** Names of the applications in which containers may be started: they have more rights than others, within their user namespaces. */
  readonly nested?: readonly string[];
  /** Snapshots older than this are removed when no container uses them; 30 days unless it is given. */
  readonly snapshotTtlMs?: number;
  /** What a container gets between SIGTERM and SIGKILL; 15 minutes unless it is given. */
  readonly stopGraceMs?: number;
  /** How long a container is kept whose Worker may not know of it, in milliseconds; ten minutes unless it is given. */
  readonly strayMs?: number;
  /** How long a start waits where limits are reached, in milliseconds; five seconds unless it is given. */
  readonly admissionMs?: number;
  /** What all applications' containers may have together; the documented limits unless it is given. */
  readonly accountLimits?: AccountLimits;
  /** Open files of a container's process. */
  readonly openFiles: number;
  /** Where containers may connect to, beside the public Internet. */
  readonly egress?: EgressSettings;
  /** Who may open the sockets besides root: the server and its workerds. */
  readonly socketOwner?: { readonly uid: number; readonly gid: number };
  /** Builds images for `docker build`; absent: this engine builds none. */
  readonly builder?: BuildCommand;
  readonly log: Log;
}
