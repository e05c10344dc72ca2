import { Container, getRandom } from "@longshore/containers";

const INSTANCE_COUNT = 3;

interface Env {
  ASSETS: Fetcher;
  BACKEND: DurableObjectNamespace<Backend>;
}

export class Backend extends Container {
  defaultPort = 8080;
  sleepAfter = "2h";
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname.startsWith("/api")) {
      const backend = await getRandom(env.BACKEND, INSTANCE_COUNT);
      return backend.fetch(request);
    }
    return env.ASSETS.fetch(request);
  },
};
