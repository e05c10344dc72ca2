import type { EngineDirectories } from "./directories.js";
import type { EgressNetwork } from "./egress/egress-network.js";
import type { LocalImages } from "./image/local/local-images.js";
import type { ImageStore } from "./image/store.js";
import type { ImageSource } from "./image/types.js";
import type { RecordStore } from "./instance/record.js";
import type { LogKeeper } from "./log/keeper.js";
import type { SandboxHost } from "./sandbox/sandbox.js";
import type { Snapshots } from "./snapshot/snapshots.js";
import type { PlacesSettings } from "./tenant/places.js";

export type Log = (message: string, details?: Record<string, unknown>) => void;

export interface EngineParts extends PlacesSettings {
  readonly directories: EngineDirectories;
  readonly host: SandboxHost;
  readonly images: ImageStore;
  readonly localImages: LocalImages;
  /** Where the bytes of every image are, local ones included. */
  readonly imageSource: ImageSource;
  readonly records: RecordStore;
  readonly snapshots: Snapshots;
  readonly logs: LogKeeper;
  readonly egress: EgressNetwork;
  /** Sandboxes kept ready for each class. */
  readonly poolDepth: number;
  /** Whether more wait where there is memory to spare. */
  readonly poolAhead?: boolean | undefined;
  /** Between SIGTERM and SIGKILL; {@link STOP_GRACE_MS} unless it is given. */
  readonly stopGraceMs?: number | undefined;
  /** How long a container is kept whose Worker may not know of it; {@link STRAY_MS} unless it is given. */
  readonly strayMs?: number | undefined;
  readonly log: Log;
}

/** A container gets this long between SIGTERM and SIGKILL (spec 12, container shutdown). */
export const STOP_GRACE_MS = 15 * 60_000;
