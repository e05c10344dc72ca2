import { Container, getRandom } from "@longshore/containers";

const INSTANCE_COUNT = 3;

interface Env {
  BACKEND: DurableObjectNamespace<Backend>;
}

export class Backend extends Container {
  defaultPort = 8080;
  sleepAfter = "2h";
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const containerInstance = await getRandom(env.BACKEND, INSTANCE_COUNT);
    return containerInstance.fetch(request);
  },
};
