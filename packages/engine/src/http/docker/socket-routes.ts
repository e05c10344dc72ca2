import { LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";
import type { OwnContainers } from "../../own/own-containers.js";
import type { TenantHost } from "../../tenant/tenant-host.js";
import { signalNamed } from "../docker-api.js";
import type { Answer, Route } from "../router.js";
import { resizeRoute } from "./attach-routes.js";
import { copyRoutes } from "./copy-routes.js";
import { daemonRoutes } from "./daemon-routes.js";
import { friendlyName, summary } from "./describe.js";
import { eventsRoute } from "./events-route.js";
import { containerFilter } from "./filters.js";
import { imageRoutes } from "./image-routes.js";
import { details, portRows } from "./inspect-container.js";
import { localImageRoutes } from "./local-image-routes.js";
import { pullRoute } from "./pull-route.js";
import { runRoutes } from "./run-routes.js";
import { statsRoutes } from "./stats-routes.js";
import { topRoute } from "./top-route.js";

const NAME = "([A-Za-z0-9][A-Za-z0-9_.-]*)";
/** workerd writes it on what is to go with the program that supervises it. */
const SESSION_LABEL = "dev.workerd.session";
/** As Docker's own `stop` waits. */
const STOP_GRACE_S = 10;

/**
 * The Docker API for whoever looks after the machine: all applications' containers, to be looked at, looked into and stopped with the `docker`
 * command, and containers and images of their own. Root's alone.
 */
export function dockerSocketRoutes(engine: ContainerEngine, own: OwnContainers): Route[] {
  const find = (text: string) => findContainer(engine, text);
  return [
    ...daemonRoutes(engine),
    ...imageRoutes(engine.parts),
    ...localImageRoutes(engine.parts, (digest) => imageUser(engine, digest)),
    pullRoute(engine.parts),
    ...runRoutes(engine, own, find),
    resizeRoute(engine, find),
    ...copyRoutes(find),
    ...statsRoutes(engine, find),
    topRoute(engine, find),
    eventsRoute(engine),
    ...containerRoutes(engine, own),
  ];
}

/**
 * A container by its id or the beginning of it, by the name that `docker ps` shows, or by workerd's.
 * Errors: `NOT_FOUND`, `CONFLICT` when it could be several.
 */
export function findContainer(engine: ContainerEngine, text: string): Instance {
  const all = [...engine.containers.byId.values()];
  const exact = all.find((one) => [one.record.id, one.record.name, friendlyName(engine, one)].includes(text));
  if (exact !== undefined) return exact;
  const [first, second] = all.filter(({ record }) => record.id.startsWith(text));
  if (first === undefined) throw new LongshoreError("NOT_FOUND", `No such container: ${text}`);
  if (second !== undefined)
    throw new LongshoreError("CONFLICT", `Several containers' ids begin with ${text}.`, { hint: "Write more of it." });
  return first;
}

function containerRoutes(engine: ContainerEngine, own: OwnContainers): Route[] {
  const path = (rest: string) => new RegExp(`^/containers/${NAME}${rest}$`);
  const find = (text = "") => findContainer(engine, text);
  return [
    {
      method: "GET",
      path: /^\/containers\/json$/,
      handle: ({ query }) => {
        const wanted = containerFilter(query.get("filters"), (image) => imageDigest(engine, image));
        const all = ["1", "true"].includes(query.get("all") ?? "") || /"status"/.test(query.get("filters") ?? "");
        const shown = [...engine.containers.byId.values()]
          .filter(({ live }) => live || all)
          .map((one) => ({ ...summary(engine, one), Ports: portRows(own, one) }));
        return { status: 200, body: shown.filter(wanted).reverse() };
      },
    },
    { method: "GET", path: path("/json"), handle: ({ parameters: [text] }) => ({ status: 200, body: details(engine, own, find(text)) }) },
    {
      method: "POST",
      path: path("/kill"),
      handle: ({ parameters: [text], query }) => {
        const instance = running(find(text));
        const signal = signalNamed(query.get("signal") || "SIGKILL");
        if (signal === "SIGKILL" || signal === 9) instance.signal(signal, "signal");
        else instance.notify(signal);
        return { status: 204 };
      },
    },
    {
      method: "POST",
      path: path("/stop"),
      handle: async ({ parameters: [text], query }) => await stop(engine, find(text), query.get("t")),
    },
    {
      method: "DELETE",
      path: path(""),
      handle: async ({ parameters: [text], query }) => {
        const instance = find(text);
        if (instance.live && !["1", "true"].includes(query.get("force") ?? "")) {
          throw new LongshoreError("CONFLICT", `The container ${text} is ${instance.status}.`, {
            hint: "Stop it first, or remove it with --force.",
          });
        }
        const owner = ownerOf(engine, instance);
        await engine.containers.remove(owner, instance);
        // A development session's supervisor removes what it finds by its label; what stands for the sidecar is not to be found.
        if (instance.record.labels?.[SESSION_LABEL] !== undefined) await owner.closeIngress(instance.record.name);
        return { status: 204 };
      },
    },
  ];
}

function imageDigest(engine: ContainerEngine, image: string): string | undefined {
  return engine.parts.localImages.find(image)?.digest;
}

function imageUser(engine: ContainerEngine, digest: string): string | undefined {
  const user = [...engine.containers.byId.values()].find(({ record }) => record.imageDigest === digest);
  return user === undefined ? undefined : `the container ${friendlyName(engine, user)}`;
}

async function stop(engine: ContainerEngine, instance: Instance, seconds: string | null): Promise<Answer> {
  if (!instance.live) return { status: 304 };
  const { own } = instance.record;
  const grace = seconds === null && own !== undefined ? own.stopGraceMs / 1000 : Number(seconds ?? STOP_GRACE_S);
  if (!Number.isFinite(grace) || grace < 0) throw new LongshoreError("INVALID_INPUT", `"${seconds}" is not a number of seconds.`);
  engine.containers.stop(instance, signalNamed(own?.stopSignal ?? "SIGTERM"), "signal", grace * 1000);
  await instance.exited;
  return { status: 204 };
}

function running(instance: Instance): Instance {
  if (instance.live) return instance;
  throw new LongshoreError("CONFLICT", `The container ${instance.record.id} is not running.`);
}

function ownerOf(engine: ContainerEngine, { record }: Instance): TenantHost {
  const tenant = engine.tenants.get(record.tenant);
  if (tenant === undefined) throw new LongshoreError("NOT_FOUND", `The application ${record.tenant} of the container is gone.`);
  return tenant;
}
