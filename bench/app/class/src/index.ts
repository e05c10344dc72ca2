import { DurableObject } from "cloudflare:workers";
import { Container as PublishedContainer } from "@cloudflare/containers";
import { Container } from "@longshore/containers";

export class Longshore extends Container {
  defaultPort = 8080;
  sleepAfter = "1h";
}

export class Published extends PublishedContainer {
  override defaultPort = 8080;
  override sleepAfter = "1h";
}

/** What no class can be faster than: the runtime's own way to a container's port, with nothing around it. */
export class Bare extends DurableObject {
  #port: Fetcher | undefined;

  override async fetch(request: Request): Promise<Response> {
    this.#port ??= await this.#start();
    return this.#port.fetch(request);
  }

  async #start(): Promise<Fetcher> {
    const { container } = this.ctx;
    if (container === undefined) throw new Error("There is no container.");
    if (!container.running) container.start({ enableInternet: false });
    const port = container.getTcpPort(8080);
    await port.fetch("http://container/0").then((response) => response.arrayBuffer());
    return port;
  }
}

/** A Durable Object that answers by itself. */
export class Empty extends DurableObject {
  override async fetch(): Promise<Response> {
    return new Response("longshore");
  }
}

interface Env {
  longshore: DurableObjectNamespace<Longshore>;
  published: DurableObjectNamespace<Published>;
  bare: DurableObjectNamespace<Bare>;
  empty: DurableObjectNamespace<Empty>;
}

export default {
  /** The query names the class. */
  async fetch(request: Request, env: Env): Promise<Response> {
    const name = request.url.slice(request.url.indexOf("?") + 1) as keyof Env;
    return env[name].getByName("bench").fetch(request);
  },
};
