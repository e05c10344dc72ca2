import { chmodSync, chownSync, mkdirSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import { keeperOf } from "./dev/caller.js";
import type { EngineDirectories } from "./directories.js";
import type { ContainerEngine } from "./engine.js";
import type { EngineSettings } from "./engine-settings.js";
import { ExecRegistry } from "./exec/registry.js";
import { dockerRoutes } from "./http/docker-api.js";
import { execHijackRoutes, execRoutes } from "./http/exec-routes.js";
import { hijackHandler } from "./http/hijack.js";
import { logRoutes } from "./http/log-routes.js";
import { QuickServer } from "./http/quick-server.js";
import { routesHandler } from "./http/router.js";
import { startRoutes } from "./http/start-routes.js";
import { TenantHost } from "./tenant/tenant-host.js";

export async function readTenants(directories: EngineDirectories, engine: ContainerEngine): Promise<void> {
  for (const name of await readdir(directories.tenants)) {
    if (!name.endsWith(".json")) continue;
    const tenant = TenantHost.read(join(directories.tenants, name));
    engine.tenants.set(tenant.id, new TenantHost(directories, tenant, await engine.parts.egress.openTenant(tenant.id)));
  }
}

/** Takes the ports that containers had, and then the sockets: a new door must not be given a port that is somebody's. */
export async function openTenants(settings: EngineSettings, directories: EngineDirectories, engine: ContainerEngine): Promise<void> {
  for (const host of engine.tenants.values()) {
    for (const [container, port] of host.ports.entries) {
      await host.openIngress(container, port).catch((error: unknown) => {
        settings.log("an ingress port is taken by another process; the container's Worker will open a new one", {
          container,
          port,
          error: String(error),
        });
      });
    }
  }
  for (const host of engine.tenants.values()) {
    if (keeperOf(host.config.id) === undefined) await serveTenant(settings, directories, engine, host);
  }
}

export async function serveTenant(
  settings: EngineSettings,
  directories: EngineDirectories,
  engine: ContainerEngine,
  host: TenantHost,
): Promise<void> {
  const execs = new ExecRegistry(engine.parts.host);
  const find = (name: string) => host.container(name);
  const server = new QuickServer(
    { routes: startRoutes(engine, host) },
    routesHandler([
      ...dockerRoutes(engine, host),
      ...execRoutes(execs, find),
      ...logRoutes((one) => engine.parts.logs.file(one.record.id), find),
    ]),
  );
  server.on("upgrade", hijackHandler(execHijackRoutes(execs)));
  host.serve(await listen(settings, directories.tenantSocket(host.config.id), server));
}

/** Listens on a unix socket that root and the socket owner can open; what an engine that was killed left of it is replaced. */
export async function listen(settings: Pick<EngineSettings, "socketOwner">, path: string, server: Server): Promise<Server> {
  rmSync(path, { force: true });
  mkdirSync(join(path, ".."), { recursive: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  if (settings.socketOwner !== undefined) chownSync(path, settings.socketOwner.uid, settings.socketOwner.gid);
  return server;
}
