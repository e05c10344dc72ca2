import { constants } from "node:os";
import { LongshoreError } from "@longshore/contract";
import { certificateRoute } from "../egress/certificate-route.js";
import type { ContainerEngine } from "../engine.js";
import type { TenantHost } from "../tenant/tenant-host.js";
import { finder, requireOpenGate } from "./container-view.js";
import { freezeBySignal, freezeRoutes } from "./freeze-routes.js";
import type { Answer, Route } from "./router.js";
import { snapshotRoutes } from "./snapshot-routes.js";
import { SIDECAR, startRoutes } from "./start-routes.js";

const NAME = "([A-Za-z0-9][A-Za-z0-9_.-]*)";

/**
 * The Docker Engine API as one application's workerd uses it (reference/workerd.md has the calls in order). A tenant's socket shows that tenant's
 * containers and nothing else.
 */
export function dockerRoutes(engine: ContainerEngine, tenant: TenantHost): Route[] {
  return [...snapshotRoutes(engine, tenant), ...startRoutes(engine, tenant), ...sidecarRoutes, ...containerRoutes(engine, tenant)];
}

const sidecarRoutes: readonly Route[] = [
  { method: "GET", path: /^\/_ping$/, handle: () => ({ status: 200, body: "OK" }) },
  {
    method: "POST",
    path: new RegExp(`^/containers/${NAME}${SIDECAR}/wait$`),
    handle: () => ({ status: 404, body: { message: "removed" } }),
  },
  { method: "PUT", path: new RegExp(`^/containers/${NAME}${SIDECAR}/archive$`), handle: ({ request }) => discardBody(request) },
];

function containerRoutes(engine: ContainerEngine, tenant: TenantHost): Route[] {
  const path = (rest: string) => new RegExp(`^/containers/${NAME}${rest}$`);
  const find = finder(tenant);
  return [
    {
      method: "POST",
      path: path("/(?:kill|stop)"),
      handle: async ({ parameters: [name], query }) => {
        requireOpenGate(tenant);
        const instance = find(name);
        const signal = signalNamed(query.get("signal") ?? "SIGTERM");
        if (await freezeBySignal(engine, instance, signal)) return { status: 204 };
        if (isTerminating(signal)) engine.containers.stop(instance, signal, "signal");
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
        await engine.containers.remove(tenant, find(name));
        return { status: 204 };
      },
    },
  ];
}

function discardBody(request: NodeJS.ReadableStream): Answer {
  request.resume();
  return { status: 200 };
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
