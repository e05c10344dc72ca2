import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { trustAuthority } from "../egress/certificate-route.js";
import { isToldOf } from "../egress/local-service.js";
import type { ContainerEngine } from "../engine.js";
import type { TenantHost } from "../tenant/tenant-host.js";
import { finder, inspect, noSuchContainer, requireOpenGate } from "./container-view.js";
import { type PlainRoute, plain } from "./router.js";
import { createHelper, restoreRequest } from "./snapshot-routes.js";

/** workerd's egress "sidecar" has the container's name with this behind it. The engine answers for it: there is no such container. */
export const SIDECAR = "-proxy";
/** A name that workerd gives a container. */
const NAME = "(workerd-[A-Za-z0-9_.-]+)";

const createBody = z.object({
  Cmd: z.array(z.string()).nullish(),
  Env: z.array(z.string()).nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
});

/** What workerd asks for when it starts a container: a part of {@link dockerRoutes}, to be answered the shortest way. */
export function startRoutes(engine: ContainerEngine, tenant: TenantHost): PlainRoute[] {
  return [bridgeRoute, ...sidecarStartRoutes(tenant), ...containerStartRoutes(engine, tenant)];
}

const bridgeRoute = plain("GET", /^\/networks\/bridge$/, () => {
  // workerd listens for intercepted traffic on the gateway address: loopback is the only one that no container can reach by itself.
  return { status: 200, body: { Name: "bridge", IPAM: { Config: [{ Subnet: "127.0.0.0/8", Gateway: "127.0.0.1" }] } } };
});

function sidecarStartRoutes(tenant: TenantHost): PlainRoute[] {
  const path = (rest: string) => new RegExp(`^/containers/${NAME}${SIDECAR}${rest}$`);
  return [
    plain("GET", path("/json"), ({ parameters: [name = ""] }) => {
      const ingress = tenant.ingresses.get(name);
      if (ingress === undefined) throw noSuchContainer(`${name}${SIDECAR}`);
      const Ports = { "39001/tcp": [{ HostIp: "127.0.0.1", HostPort: String(ingress.port) }] };
      return { status: 200, body: { Id: `${name}${SIDECAR}`, State: { Status: "running", Running: true }, NetworkSettings: { Ports } } };
    }),
    plain("POST", path("/start"), () => ({ status: 204 })),
    plain("DELETE", path(""), async ({ parameters: [name = ""] }) => {
      requireOpenGate(tenant);
      if (!(await tenant.closeIngress(name))) throw noSuchContainer(`${name}${SIDECAR}`);
      return { status: 204 };
    }),
  ];
}

function containerStartRoutes(engine: ContainerEngine, tenant: TenantHost): PlainRoute[] {
  const path = (rest: string) => new RegExp(`^/containers/${NAME}${rest}$`);
  const find = finder(tenant);
  return [
    plain("GET", path("/json"), ({ parameters: [name] }) => ({ status: 200, body: inspect(find(name)) })),
    plain("POST", /^\/containers\/create$/, async ({ query, body, client }) => {
      const name = query.get("name") ?? "";
      const content = await body();
      const { Cmd, Env, Labels } = parseCreate(content);
      if (name === "") return { status: 201, body: { Id: createHelper(engine, tenant, content), Warnings: [] } };
      if (name.endsWith(SIDECAR)) {
        await tenant.openIngress(name.slice(0, -SIDECAR.length));
        return { status: 201, body: { Id: name, Warnings: [] } };
      }
      const restore = restoreRequest(engine, tenant, content);
      const request = { command: Cmd ?? [], environment: Env ?? [], restore, labels: Labels ?? undefined };
      const gone = new AbortController();
      client.once("close", () => gone.abort());
      const instance = await engine.containers.create(tenant, name, request, gone.signal);
      return { status: 201, body: { Id: instance.record.id, Warnings: [] } };
    }),
    plain("POST", path("/start"), ({ parameters: [name] }) => {
      const instance = find(name);
      const { service } = engine.parts.egress;
      // What this machine serves under another's name it can only do with a certificate of the application's authority.
      if (service !== undefined && isToldOf(service, instance.record.environment)) trustAuthority(instance, tenant.egress.authority);
      instance.start();
      return { status: 204 };
    }),
    plain("POST", path("/wait"), async ({ parameters: [name], query, client }) => {
      // "removed" is asked after a DELETE, which answers only when nothing is left.
      if (query.get("condition") === "removed") throw noSuchContainer(name ?? "");
      const instance = find(name);
      const watch = instance.watched();
      client.once("close", () => watch[Symbol.dispose]());
      return { status: 200, body: { StatusCode: (await instance.exited).code } };
    }),
  ];
}

function parseCreate(body: unknown): z.infer<typeof createBody> {
  const parsed = createBody.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new LongshoreError("INVALID_INPUT", `The container cannot be created: ${z.prettifyError(parsed.error)}`, { cause: parsed.error });
}
