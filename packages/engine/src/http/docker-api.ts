import { constants } from "node:os";
import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { certificateRoute } from "../egress/certificate-route.js";
import type { ContainerEngine } from "../engine.js";
import type { Instance } from "../instance/instance.js";
import type { TenantHost } from "../tenant/tenant-host.js";
import { freezeBySignal, freezeRoutes } from "./freeze-routes.js";
import type { Answer, Route } from "./router.js";
import { createHelper, restoreRequest, snapshotRoutes } from "./snapshot-routes.js";

/** workerd's egress "sidecar" has the container's name with this behind it. The engine answers for it: there is no such container. */
const SIDECAR = "-proxy";
const NAME = "([A-Za-z0-9][A-Za-z0-9_.-]*)";

const createBody = z.object({
  Cmd: z.array(z.string()).nullish(),
  Env: z.array(z.string()).nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
});

/**
 * The Docker Engine API as one application's workerd uses it (reference/workerd.md has the calls in order). A tenant's socket shows that tenant's
 * containers and nothing else.
 */
export function dockerRoutes(engine: ContainerEngine, tenant: TenantHost): Route[] {
  return [...hostRoutes(), ...snapshotRoutes(engine, tenant), ...sidecarRoutes(tenant), ...containerRoutes(engine, tenant)];
}

function hostRoutes(): Route[] {
  return [
    { method: "GET", path: /^\/_ping$/, handle: () => ({ status: 200, body: "OK" }) },
    {
      method: "GET",
      path: /^\/networks\/bridge$/,
      // workerd listens for intercepted traffic on the gateway address: loopback is the only one that no container can reach by itself.
      handle: () => ({ status: 200, body: { Name: "bridge", IPAM: { Config: [{ Subnet: "127.0.0.0/8", Gateway: "127.0.0.1" }] } } }),
    },
  ];
}

function sidecarRoutes(tenant: TenantHost): Route[] {
  const path = (rest: string) => new RegExp(`^/containers/${NAME}${SIDECAR}${rest}$`);
  const describe = (name: string): Answer => {
    const ingress = tenant.ingresses.get(name);
    if (ingress === undefined) throw noSuchContainer(`${name}${SIDECAR}`);
    const Ports = { "39001/tcp": [{ HostIp: "127.0.0.1", HostPort: String(ingress.port) }] };
    return { status: 200, body: { Id: `${name}${SIDECAR}`, State: { Status: "running", Running: true }, NetworkSettings: { Ports } } };
  };
  return [
    { method: "GET", path: path("/json"), handle: ({ parameters: [name = ""] }) => describe(name) },
    { method: "POST", path: path("/start"), handle: () => ({ status: 204 }) },
    { method: "POST", path: path("/wait"), handle: () => ({ status: 404, body: { message: "removed" } }) },
    { method: "PUT", path: path("/archive"), handle: ({ request }) => discardBody(request) },
    {
      method: "DELETE",
      path: path(""),
      handle: async ({ parameters: [name = ""] }) => {
        requireOpenGate(tenant);
        if (!(await tenant.closeIngress(name))) throw noSuchContainer(`${name}${SIDECAR}`);
        return { status: 204 };
      },
    },
  ];
}

function containerRoutes(engine: ContainerEngine, tenant: TenantHost): Route[] {
  const path = (rest: string) => new RegExp(`^/containers/${NAME}${rest}$`);
  const find = (name = ""): Instance => {
    const instance = tenant.containers.get(name);
    if (instance === undefined) throw noSuchContainer(name);
    return instance;
  };
  return [
    { method: "GET", path: path("/json"), handle: ({ parameters: [name] }) => ({ status: 200, body: inspect(find(name)) }) },
    {
      method: "POST",
      path: /^\/containers\/create$/,
      handle: async ({ query, body }) => {
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
        const instance = await engine.create(tenant, name, request);
        return { status: 201, body: { Id: instance.record.id, Warnings: [] } };
      },
    },
    { method: "POST", path: path("/start"), handle: ({ parameters: [name] }) => started(find(name)) },
    {
      method: "POST",
      path: path("/wait"),
      handle: async ({ parameters: [name], query, response }) => {
        // "removed" is asked after a DELETE, which answers only when nothing is left.
        if (query.get("condition") === "removed") throw noSuchContainer(name ?? "");
        const instance = find(name);
        const watch = instance.watched();
        response.once("close", () => watch[Symbol.dispose]());
        return { status: 200, body: { StatusCode: (await instance.exited).code } };
      },
    },
    {
      method: "POST",
      path: path("/(?:kill|stop)"),
      handle: async ({ parameters: [name], query }) => {
        requireOpenGate(tenant);
        const instance = find(name);
        const signal = signalNamed(query.get("signal") ?? "SIGTERM");
        if (await freezeBySignal(engine, instance, signal)) return { status: 204 };
        if (isTerminating(signal)) engine.stop(instance, signal, "signal");
        else instance.notify(signal);
        return { status: 204 };
      },
    },
    ...freezeRoutes(engine, path, find),
    certificateRoute(tenant.egress.authority, find, () => {
      throw new LongshoreError("UNSUPPORTED", "Files cannot be put into a container yet, except for the certificate that it is to trust.");
    }),
    {
      method: "DELETE",
      path: path(""),
      handle: async ({ parameters: [name] }) => {
        requireOpenGate(tenant);
        await engine.remove(tenant, find(name));
        return { status: 204 };
      },
    },
  ];
}

function discardBody(request: NodeJS.ReadableStream): Answer {
  request.resume();
  return { status: 200 };
}

function started(instance: Instance): Answer {
  instance.start();
  return { status: 204 };
}

/** A container as Docker inspects it, as far as workerd looks. */
export function inspect({ record }: Instance): Record<string, unknown> {
  const running = record.status !== "created" && record.status !== "exited";
  return {
    Id: record.id,
    Name: `/${record.name}`,
    Created: record.createdAt,
    Image: record.imageDigest,
    State: {
      Status: running ? "running" : record.status,
      Running: running,
      // Not a status of its own, as it is with Docker: to workerd a sleeping container runs.
      Paused: record.status === "frozen",
      OOMKilled: record.exit?.memory !== undefined,
      Pid: running ? record.process.pid : 0,
      ExitCode: record.exit?.code ?? 0,
      StartedAt: record.startedAt ?? "",
      FinishedAt: record.exit?.at ?? "",
    },
    Config: { Image: record.image, Cmd: record.argv },
    NetworkSettings: { Ports: {} },
  };
}

function parseCreate(body: unknown): z.infer<typeof createBody> {
  const parsed = createBody.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new LongshoreError("INVALID_INPUT", `The container cannot be created: ${z.prettifyError(parsed.error)}`, { cause: parsed.error });
}

/** Signals that ask a process to end. Any other is between the Worker and its program, which goes on running. */
function isTerminating(signal: NodeJS.Signals | number): boolean {
  const { SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM } = constants.signals;
  const number = typeof signal === "number" ? signal : constants.signals[signal];
  return [SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM].includes(number);
}

/** Errors: `INVALID_INPUT` for what is not a signal. */
export function signalNamed(text: string): NodeJS.Signals | number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0 && number <= 64) return number;
  if (/^(SIG)?[A-Z0-9+-]{2,10}$/.test(text)) return (text.startsWith("SIG") ? text : `SIG${text}`) as NodeJS.Signals;
  throw new LongshoreError("INVALID_INPUT", `"${text}" is not a signal.`, {
    hint: "Use a name such as SIGTERM, or a number from 1 to 64.",
  });
}

function requireOpenGate(tenant: TenantHost): void {
  if (!tenant.gateShut) return;
  throw new LongshoreError("UNAVAILABLE", `The application "${tenant.config.id}" is being replaced: its containers stay as they are.`);
}

function noSuchContainer(name: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", `There is no container ${name}.`);
}
