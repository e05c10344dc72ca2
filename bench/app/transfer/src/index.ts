import { Container, getContainer } from "@longshore/containers";

interface Env {
  DEPOT: DurableObjectNamespace<Depot>;
}

/** A program that sends, takes in, and echoes. */
export class Depot extends Container<Env> {
  defaultPort = 8080;
  sleepAfter = "1h";
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    return getContainer(env.DEPOT).fetch(request);
  },
};
