import { join } from "node:path";
import type { InstanceInfo, LogSource, UsageSource } from "@longshore/contract";
import { EngineClient } from "@longshore/engine/client";
import { EngineDirectories } from "@longshore/engine/directories";
import { runDirectory } from "./settings.js";

/** The engine of the installation on this machine, as root reaches it past the server. */
export interface EngineAccess {
  readonly logs: LogSource;
  readonly usage: UsageSource;
  /** Every instance that the engine knows of, those that have ended and were not replaced included. */
  instances(): Promise<InstanceInfo[]>;
  /** The unix socket for the `docker` command. */
  readonly dockerSocket: string;
}

/** `data` is the installation's data directory. Nothing is connected to yet. */
export function engineAccess(data: string): EngineAccess {
  const directories = new EngineDirectories(join(data, "engine"), runDirectory(data));
  const client = new EngineClient(directories.adminSocket, (tenant) => directories.tenantSocket(tenant));
  return {
    logs: client,
    usage: client,
    instances: () => client.instances(),
    dockerSocket: directories.dockerSocket,
  };
}
