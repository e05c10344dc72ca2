import { Container } from "@longshore/containers";

interface Env {
  PAGE: DurableObjectNamespace<Page>;
}

/** The smallest program that answers: a static file server. The benchmark ends each container itself. */
export class Page extends Container<Env> {
  defaultPort = 8080;
  sleepAfter = "1h";
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const enteredAt = Date.now();
    const url = new URL(request.url);
    const stub = env.PAGE.getByName(url.pathname);
    if (request.method === "DELETE") {
      await stub.destroy();
      return new Response(null, { status: 204 });
    }
    const answer = await stub.fetch(new Request(new URL("/index.html", url), request));
    const response = new Response(answer.body, answer);
    response.headers.set("x-worker-entered-at", String(enteredAt));
    return response;
  },
};
