import type { RequestListener } from "node:http";
import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import type { ContainerEngine } from "../engine.js";
import type { ExecRegistry } from "../exec/registry.js";
import { findImage } from "../http/docker/known-images.js";
import { dockerRoutes } from "../http/docker-api.js";
import { execRoutes } from "../http/exec-routes.js";
import { logRoutes } from "../http/log-routes.js";
import { type Answer, type Exchange, matchRoute, type Route, routesHandler } from "../http/router.js";
import { HELPER_ID } from "../snapshot/volumes.js";
import type { TenantHost } from "../tenant/tenant-host.js";
import type { DevSessions } from "./sessions.js";

/** workerd's egress "sidecar" has the container's name with this behind it. */
const SIDECAR = "-proxy";
/** What is pulled for the sidecar, in every version of wrangler so far. */
const INTERCEPTOR = /(?:^|\/)cloudflare\/proxy-everything$/;
/** What is workerd's own business on the socket: its containers by the names it gives them, their helpers, and what it saves. */
const WORKERDS = new RegExp(`^/(?:v1\\.\\d+/)?(?:containers/(?:workerd-|create$|${HELPER_ID})|volumes|commit$|images/)`);

const createBody = z.object({ Image: z.string().nullish() });

export interface DevOptions {
  readonly engine: ContainerEngine;
  readonly sessions: DevSessions;
  readonly execs: ExecRegistry;
  /** What the socket answers to everybody. */
  readonly owner: readonly Route[];
}

/**
 * The owner's socket with `wrangler dev` on it: creating a container under one of workerd's names makes a session ({@link DevSessions}), and for the
 * connections of a session's workerd the socket is what a tenant's socket is to an application's. Everything else is the owner's.
 */
export function devHandler({ engine, sessions, execs, owner }: DevOptions): RequestListener {
  const shared = [...sharedRoutes(engine), ...owner];
  const creating = [{ method: "POST", path: /^\/containers\/create$/, handle: (exchange) => create(engine, sessions, exchange) } as Route];
  const interceptor = [{ method: "POST", path: /^\/images\/create$/, handle: interceptorPulled } as Route];
  return (request, response) => {
    const url = new URL(request.url ?? "/", "http://engine");
    const handle = (routes: readonly Route[]) => routesHandler(routes)(request, response);
    if (url.pathname.endsWith("/containers/create") && url.searchParams.get("name")?.startsWith("workerd-") === true)
      return handle(creating);
    if (url.pathname.endsWith("/images/create") && INTERCEPTOR.test(url.searchParams.get("fromImage") ?? "")) return handle(interceptor);
    const session = WORKERDS.test(url.pathname) ? sessions.of(request.socket) : undefined;
    handle(session === undefined ? shared : [...workerdRoutes(engine, session, execs, shared), ...shared]);
  };
}

/** What a session's workerd is answered. Images are its own only where they are snapshots. */
function workerdRoutes(engine: ContainerEngine, session: TenantHost, execs: ExecRegistry, shared: readonly Route[]): Route[] {
  const find = (name: string) => session.container(name);
  const tenant = dockerRoutes(engine, session);
  const image = (method: string, path: RegExp): Route => ({
    method,
    path,
    handle: (exchange) => {
      const saved = engine.parts.snapshots.store.find(session.config.id, exchange.parameters[0] ?? "") !== undefined;
      return pass(saved ? tenant : shared, exchange);
    },
  });
  return [
    image("GET", /^\/images\/(.+)\/json$/),
    image("DELETE", /^\/images\/(.+)$/),
    ...tenant,
    ...execRoutes(execs, find),
    ...logRoutes((one) => engine.parts.logs.file(one.record.id), find),
  ];
}

/** Makes the session, says what its class starts from, and leaves the rest to the tenant's own route. */
async function create(engine: ContainerEngine, sessions: DevSessions, exchange: Exchange): Promise<Answer> {
  const { query, request } = exchange;
  const name = query.get("name") ?? "";
  const content = await exchange.body();
  const { Image } = parseCreate(content);
  const isSidecar = name.endsWith(SIDECAR);
  const session = await sessions.open(request.socket, isSidecar ? name.slice(0, -SIDECAR.length) : name);
  const make = async (changes: object) =>
    await pass(dockerRoutes(engine, session), { ...exchange, body: async () => ({ ...(content as object), ...changes }) });
  const saved = engine.parts.snapshots.store.find(session.config.id, Image ?? "") !== undefined;
  if (isSidecar || saved || Image == null) return await make({});
  // An application's workerd calls its class's image by the class.
  return await sessions.withClass(session, name, findImage(engine.parts, Image).reference, (namespaceId) => make({ Image: namespaceId }));
}

function parseCreate(content: unknown): z.infer<typeof createBody> {
  const parsed = createBody.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new LongshoreError("INVALID_INPUT", `The container cannot be created: ${z.prettifyError(parsed.error)}`, { cause: parsed.error });
}

/** Has another route of a table answer. */
async function pass(routes: readonly Route[], exchange: Exchange): Promise<Answer> {
  const { route, parameters } = matchRoute(routes, exchange.request);
  return await route.handle({ ...exchange, parameters });
}

/** The engine intercepts by itself: there is nothing to pull. */
function interceptorPulled({ request, response }: Exchange): Answer {
  request.resume();
  const status = "Longshore's engine intercepts outbound traffic itself: this image is not needed.";
  response.writeHead(200, { "content-type": "application/json" }).end(`${JSON.stringify({ status })}\n`);
  return { status: 200 };
}

function sharedRoutes(engine: ContainerEngine): Route[] {
  return [
    {
      method: "GET",
      path: /^\/networks\/bridge$/,
      // As on a tenant's socket: workerd listens for intercepted traffic on the gateway address.
      handle: () => ({ status: 200, body: { Name: "bridge", IPAM: { Config: [{ Subnet: "127.0.0.0/8", Gateway: "127.0.0.1" }] } } }),
    },
    {
      // Not Docker's: the build command leaves out of an archive what is here.
      method: "GET",
      path: /^\/longshore\/layers\/(sha256:[0-9a-f]{64})$/,
      handle: async ({ parameters: [diffId = ""] }) => {
        const layer = await engine.parts.localImages.layer(diffId);
        if (layer === undefined) throw new LongshoreError("NOT_FOUND", `No local image has the layer ${diffId}.`);
        return { status: 200, body: layer };
      },
    },
  ];
}
