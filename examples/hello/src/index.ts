import { Container, getContainer, getRandom } from "@longshore/containers";

interface Env {
  MY_CONTAINER: DurableObjectNamespace<MyContainer>;
  SLEEP_AFTER: string;
}

export class MyContainer extends Container<Env> {
  defaultPort = 8080;
  sleepAfter = this.env.SLEEP_AFTER;
  envVars = { MESSAGE: "I was passed in via the container class!" };

  override onStart() {
    console.log("Container successfully started");
  }

  override onStop() {
    console.log("Container successfully shut down");
  }

  override onError(error: unknown) {
    console.log("Container error:", error);
  }
}

const ROUTES = `GET  /container/<id>   the container of that name: one per id
GET  /lb               one of three containers, picked at random
GET  /singleton        the one container of the default name
Behind each: /sse (server-sent events), /disk (what is on its disk), POST (echo), a WebSocket upgrade (echo)
`;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, route, id] = new URL(request.url).pathname.split("/");
    if (route === "container" && id) return env.MY_CONTAINER.getByName(`/container/${id}`).fetch(request);
    if (route === "lb") return (await getRandom(env.MY_CONTAINER, 3)).fetch(request);
    if (route === "singleton") return getContainer(env.MY_CONTAINER).fetch(request);
    return new Response(ROUTES, { status: route === "" ? 200 : 404 });
  },
};
