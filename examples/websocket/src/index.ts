import { Container, getContainer } from "@longshore/containers";

interface Env {
  MY_CONTAINER: DurableObjectNamespace<MyContainer>;
}

export class MyContainer extends Container {
  defaultPort = 8080;
  sleepAfter = "2m";
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    // A WebSocket from outside goes to the container as any other request does.
    return getContainer(env.MY_CONTAINER).fetch(request);
  },
};
