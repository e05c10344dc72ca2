import { Container, getContainer } from "@longshore/containers";

interface Env {
  CONTAINER: DurableObjectNamespace<NodeContainer>;
}

export class NodeContainer extends Container {
  defaultPort = 8080;
  sleepAfter = "10s";

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

export default {
  async fetch(request, env, _ctx): Promise<Response> {
    const container = await getContainer(env.CONTAINER);
    return container.fetch(request);
  },
} satisfies ExportedHandler<Env>;
