import { Container, ContainerProxy, getContainer } from "@longshore/containers";

export { ContainerProxy };

interface Env {
  MY_CONTAINER: DurableObjectNamespace<MyContainer>;
  GITHUB_TOKEN: string;
}

export class MyContainer extends Container<Env> {
  defaultPort = 8080;
  interceptHttps = true;
  enableInternet = false;
  deniedHosts = ["some-nefarious-website.com"];
}

MyContainer.outboundByHost = {
  // Runs in the Workers runtime, outside the container.
  "my.worker": (request: Request) => new Response(`handled ${request.method} ${new URL(request.url).pathname}`),
};

MyContainer.outboundHandlers = {
  // The container never sees the token. A real one would send the request on: `return fetch(withToken)`.
  authenticatedGithub: (request: Request, env: Env) => {
    const withToken = new Request(request, { headers: { authorization: `Bearer ${env.GITHUB_TOKEN}` } });
    return new Response(`${withToken.url} with ${withToken.headers.get("authorization")}`);
  },
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const container = getContainer(env.MY_CONTAINER);
    switch (new URL(request.url).pathname) {
      case "/allow-github":
        await container.setOutboundByHost("github.com", "authenticatedGithub");
        return new Response("allowed");
      case "/forbid-github":
        await container.removeOutboundByHost("github.com");
        return new Response("forbidden");
      default:
        return container.fetch(request);
    }
  },
};
