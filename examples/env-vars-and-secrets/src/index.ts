import { env } from "cloudflare:workers";
import { Container, getContainer } from "@longshore/containers";

interface Env {
  MY_CONTAINER: DurableObjectNamespace<MyContainer>;
  ENV_VAR: string;
  WORKER_SECRET: string;
  SECRET_STORE: { get(): Promise<string> };
  DEMO_KV: KVNamespace;
}

const { ENV_VAR, WORKER_SECRET } = env as unknown as Env;

export class MyContainer extends Container {
  defaultPort = 8080;
  sleepAfter = "10s";
  // What every instance gets. Values that have to be waited for are given to each start, below.
  envVars = { WORKER_SECRET, ENV_VAR };
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/launch-instances") {
      await Promise.all(["foo", "bar"].map((name) => launch(name, env)));
      return new Response("Container instances launched");
    }
    return getContainer(env.MY_CONTAINER, pathname.slice(1)).fetch(request);
  },
};

/** Starts the instance of this name with variables of its own. */
async function launch(name: string, env: Env): Promise<void> {
  await env.MY_CONTAINER.getByName(name).startAndWaitForPorts({
    startOptions: {
      envVars: {
        ENV_VAR: env.ENV_VAR + name,
        WORKER_SECRET: env.WORKER_SECRET,
        SECRET_STORE_SECRET: await env.SECRET_STORE.get(),
        KV_VALUE: (await env.DEMO_KV.get("KV_VALUE")) ?? "",
      },
    },
  });
}
