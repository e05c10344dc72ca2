import { rmSync } from "node:fs";
import { createServer } from "node:http";
import { buildParts, openEgress, prepareDirectories } from "./build-parts.js";
import { keeperOf } from "./dev/caller.js";
import { DevSessions } from "./dev/sessions.js";
import { EngineDirectories } from "./directories.js";
import { watchSpace } from "./disk/space-watch.js";
import type { EgressOptions } from "./egress/egress-network.js";
import { ContainerEngine } from "./engine.js";
import type { EngineSettings } from "./engine-settings.js";
import { adminRoutes } from "./http/admin-api.js";
import { ownerSocketServer } from "./http/docker/owner-socket.js";
import { routesHandler } from "./http/router.js";
import { ImageCollector } from "./image/collector.js";
import { ExitWatch } from "./instance/exit-watch.js";
import { listen, openTenants, readTenants, serveTenant } from "./open-tenants.js";
import { OwnContainers } from "./own/own-containers.js";
import { recover } from "./recovery.js";
import { expireSnapshots, SNAPSHOT_TTL_MS } from "./snapshot/expiry.js";
import { enterPrivateMountNamespace } from "./sys/mount-namespace.js";
import { TenantHost } from "./tenant/tenant-host.js";

export interface OpenEngine extends AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly directories: EngineDirectories;
  /** Ends every container, and leaves nothing behind. Without it, disposing leaves them running for the next engine to take back. */
  shutdown(): Promise<void>;
}

/**
 * Starts the engine of this machine: takes back what runs, sweeps what is left over, listens. Must run on the main thread of a process of root's
 * that does nothing else, since it moves that process into a mount namespace of its own.
 */
export async function openEngine(settings: EngineSettings): Promise<OpenEngine> {
  enterPrivateMountNamespace();
  const directories = new EngineDirectories(settings.dataDirectory, settings.runDirectory);
  await prepareDirectories(directories);
  let outboundOwner: EgressOptions["owner"] = () => undefined;
  const egress = await openEgress(settings, directories, (sandbox) => outboundOwner(sandbox));
  const engine = new ContainerEngine(await buildParts(settings, directories, egress), async (current, tenant) => {
    const host = new TenantHost(directories, tenant, await egress.openTenant(tenant.id));
    await host.save();
    if (keeperOf(tenant.id) === undefined) await serveTenant(settings, directories, current, host);
    return host;
  });
  outboundOwner = (sandbox) => engine.outboundCaller(sandbox);
  await readTenants(directories, engine);
  await recover(engine);
  const exits = new ExitWatch(directories.exits, (id, code) => engine.containers.processEnded(id, code));
  await exits.start();
  await Promise.race([Promise.all([...exits.reported].map((id) => engine.containers.byId.get(id)?.exited)), engine.containers.cleanedUp()]);
  // Only now: whoever is answered before the books are right is told that a container which runs does not, or the other way round.
  await openTenants(settings, directories, engine);
  const space = watchSpace(directories.data, settings.log);
  const expiry = expireSnapshots(engine, settings.snapshotTtlMs ?? SNAPSHOT_TTL_MS);
  const sessions = new DevSessions(engine);
  await sessions.sweep();
  const own = new OwnContainers(engine);
  const docker = await listen({}, directories.dockerSocket, ownerSocketServer({ engine, sessions, own, builder: settings.builder }));
  const admin = await listen(settings, directories.adminSocket, createServer(routesHandler(adminRoutes(engine))));
  const collector = new ImageCollector(
    engine.parts.images,
    () => engine.imagesInUse(),
    (error) => settings.log("removing unused images failed", { error: String(error) }),
  );
  void engine.refreshPool().then(() => collector.start());
  const close = async () => {
    collector[Symbol.dispose]();
    await sessions[Symbol.asyncDispose]();
    own[Symbol.dispose]();
    docker.close();
    docker.closeAllConnections();
    rmSync(directories.dockerSocket, { force: true });
    admin.close();
    admin.closeAllConnections();
    rmSync(directories.adminSocket, { force: true });
    space[Symbol.dispose]();
    expiry[Symbol.dispose]();
    engine.parts.logs[Symbol.dispose]();
  };
  return {
    engine,
    directories,
    async shutdown() {
      await close();
      await engine.shutdown();
      exits[Symbol.dispose]();
      egress[Symbol.dispose]();
    },
    async [Symbol.asyncDispose]() {
      await close();
      await engine.leave();
      exits[Symbol.dispose]();
      egress[Symbol.dispose]();
    },
  };
}
