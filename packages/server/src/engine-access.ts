import { join } from "node:path";
import type { LogSource } from "@longshore/contract";
import { EngineClient, EngineDirectories } from "@longshore/engine";
import { runDirectory } from "./settings.js";

/** The engine of the installation on this machine, as root reaches it past the server. */
export interface EngineAccess {
  readonly logs: LogSource;
  /** The unix socket for the `docker` command. */
  readonly dockerSocket: string;
}

/** `data` is the installation's data directory. Nothing is connected to yet. */
export function engineAccess(data: string): EngineAccess {
  const directories = new EngineDirectories(join(data, "engine"), runDirectory(data));
  return {
    logs: new EngineClient(directories.adminSocket, (tenant) => directories.tenantSocket(tenant)),
    dockerSocket: directories.dockerSocket,
  };
}
