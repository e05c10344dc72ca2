import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";
import type { Route } from "../router.js";
import { friendlyName } from "./describe.js";

/** Lines that a client has not read yet; one that is further behind is left. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;

/** `docker events`: containers that come into being, end, and are removed, from now on. `until` (seconds since 1970) ends it. */
export function eventsRoute(engine: ContainerEngine): Route {
  return {
    method: "GET",
    path: /^\/events$/,
    handle: async ({ query, response }) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      const tell = (Action: string, instance: Instance, more: Record<string, string> = {}) => {
        if (response.writableLength > MAX_BUFFERED_BYTES) response.destroy();
        else response.write(`${JSON.stringify(event(engine, Action, instance, more))}\n`);
      };
      const tellEnd = async (instance: Instance) => {
        const { code } = await instance.exited;
        if (!response.writableEnded) tell("die", instance, { exitCode: String(code) });
      };
      const adopted = (instance: Instance) => {
        tell("create", instance);
        void tellEnd(instance);
      };
      const forgotten = (instance: Instance) => tell("destroy", instance);
      engine.containers.adopted.add(adopted);
      engine.containers.forgotten.add(forgotten);
      for (const instance of engine.containers.byId.values()) if (instance.live) void tellEnd(instance);
      const until = Number(query.get("until") ?? Number.NaN);
      const timer = Number.isFinite(until) ? setTimeout(() => response.end(), Math.max(0, until * 1000 - Date.now())) : undefined;
      await new Promise<void>((resolve) => response.once("close", resolve));
      clearTimeout(timer);
      engine.containers.adopted.delete(adopted);
      engine.containers.forgotten.delete(forgotten);
      return { status: 200 };
    },
  };
}

function event(engine: ContainerEngine, Action: string, instance: Instance, more: Record<string, string>) {
  const { record } = instance;
  const image = record.own?.image ?? record.image;
  const now = Date.now();
  return {
    Type: "container",
    Action,
    status: Action,
    id: record.id,
    from: image,
    Actor: { ID: record.id, Attributes: { ...record.labels, image, name: friendlyName(engine, instance), ...more } },
    scope: "local",
    time: Math.floor(now / 1000),
    timeNano: now * 1e6,
  };
}
