import { createServer, type Server } from "node:http";
import { devHandler } from "../../dev/routes.js";
import type { DevSessions } from "../../dev/sessions.js";
import type { ContainerEngine } from "../../engine.js";
import { ExecRegistry } from "../../exec/registry.js";
import type { BuildCommand } from "../../image/build/build.js";
import type { OwnContainers } from "../../own/own-containers.js";
import { execHijackRoutes, execRoutes } from "../exec-routes.js";
import { hijackHandler } from "../hijack.js";
import { logRoutes } from "../log-routes.js";
import { attachRoutes } from "./attach-routes.js";
import { buildRoute } from "./build-route.js";
import { dockerSocketRoutes, findContainer } from "./socket-routes.js";

export interface OwnerSocketParts {
  readonly engine: ContainerEngine;
  readonly sessions: DevSessions;
  readonly own: OwnContainers;
  readonly builder: BuildCommand | undefined;
}

/** The server behind the socket for the `docker` command: every application's containers, so nobody but root may open it. */
export function ownerSocketServer({ engine, sessions, own, builder }: OwnerSocketParts): Server {
  const execs = new ExecRegistry(engine.parts.host);
  const find = (text: string) => findContainer(engine, text);
  const { dockerSocket: engineSocket, scratch } = engine.parts.directories;
  const owner = [
    ...dockerSocketRoutes(engine, own),
    buildRoute(engine.parts, { builder, engineSocket, scratch }),
    ...execRoutes(execs, find),
    ...logRoutes((one) => engine.parts.logs.file(one.record.id), find),
  ];
  const server = createServer(devHandler({ engine, sessions, execs, owner }));
  // Contexts and images come for as long as the client's disk takes.
  server.requestTimeout = 0;
  server.on("upgrade", hijackHandler([...execHijackRoutes(execs), ...attachRoutes(engine, find)]));
  return server;
}
