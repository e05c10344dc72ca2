import { LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";
import { parseCreateBody } from "../../own/create-body.js";
import type { OwnContainers } from "../../own/own-containers.js";
import type { Answer, Exchange, Route } from "../router.js";

const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const NAME = "([A-Za-z0-9][A-Za-z0-9_.-]*)";

/** `docker create`, `start`, `restart` and `wait`: containers that the machine's owner makes. */
export function runRoutes(engine: ContainerEngine, own: OwnContainers, find: (name: string) => Instance): Route[] {
  const path = (rest: string) => new RegExp(`^/containers/${NAME}${rest}$`);
  return [
    {
      method: "POST",
      path: /^\/containers\/create$/,
      handle: async ({ query, body }) => {
        const name = query.get("name")?.replace(/^\//, "") || undefined;
        if (name !== undefined && (!CONTAINER_NAME.test(name) || name.startsWith("workerd-"))) {
          throw new LongshoreError("INVALID_INPUT", `"${name}" is not a name for a container.`, {
            hint: "Use letters, digits, and _ . - between them; names that begin with workerd- are Workers'.",
          });
        }
        const instance = await own.create(name, parseCreateBody(await body()));
        return { status: 201, body: { Id: instance.record.id, Warnings: [] } };
      },
    },
    {
      method: "POST",
      path: path("/start"),
      handle: async ({ parameters: [name = ""] }) => {
        const instance = find(name);
        if (instance.live && instance.status !== "created") return { status: 304 };
        await own.start(instance);
        return { status: 204 };
      },
    },
    {
      method: "POST",
      path: path("/restart"),
      handle: async ({ parameters: [name = ""], query }) => {
        const instance = find(name);
        if (instance.record.own === undefined) throw applications(instance);
        const seconds = query.get("t");
        if (instance.live) {
          const { stopGraceMs } = instance.record.own;
          engine.containers.stop(instance, "SIGTERM", "signal", seconds === null ? stopGraceMs : Number(seconds) * 1000);
          await instance.exited;
        }
        await own.start(instance);
        return { status: 204 };
      },
    },
    { method: "POST", path: path("/wait"), handle: async (exchange) => await wait(engine, find(exchange.parameters[0] ?? ""), exchange) },
  ];
}

/** The answer's head goes out at once: clients wait for it before they start the container. */
async function wait(engine: ContainerEngine, instance: Instance, { query, response }: Exchange): Promise<Answer> {
  const condition = query.get("condition") ?? "not-running";
  const removed = condition === "removed" ? forgotten(engine, instance, response) : undefined;
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  if (condition !== "not-running" || instance.status !== "created") await instance.exited;
  await removed;
  response.end(JSON.stringify({ StatusCode: instance.record.exit?.code ?? 0 }));
  return { status: 200 };
}

async function forgotten(engine: ContainerEngine, instance: Instance, response: NodeJS.WritableStream): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      engine.containers.forgotten.delete(look);
      resolve();
    };
    const look = (gone: Instance) => {
      if (gone === instance) done();
    };
    engine.containers.forgotten.add(look);
    response.once("close", done);
  });
}

function applications({ record }: Instance): LongshoreError {
  return new LongshoreError("UNSUPPORTED", `The container ${record.id} is an application's, which alone starts it.`, {
    hint: "Stop it: the application starts another when it needs one.",
  });
}
