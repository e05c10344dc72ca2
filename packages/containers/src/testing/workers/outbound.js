// The Worker of the outbound tests. /<CLASS>/<instance>/@<method>?args=[…] calls a method of the object, the rest goes to its container.
import { Container, ContainerProxy, getContainer } from "@longshore/containers";

export { ContainerProxy };

class Base extends Container {
  defaultPort = 8080;

  async fetch(request) {
    const url = new URL(request.url);
    const [, , , what] = url.pathname.split("/");
    if (!what?.startsWith("@")) return super.fetch(request);
    try {
      const result = await this[what.slice(1)](...JSON.parse(url.searchParams.get("args") ?? "[]"));
      return Response.json({ result: result ?? null });
    } catch (error) {
      return Response.json({ error: { name: error.name, code: error.code, message: error.message } });
    }
  }
}

/** Says nothing of outbound traffic. */
export class Open extends Base {}

/** Handlers for hosts alone, as a static field. */
export class Hosts extends Base {
  static outboundByHost = {
    "my.worker": (request, env, { containerId, className }) => Response.json({ url: request.url, containerId, className, name: env.NAME }),
    "*.glob.example": (request) => new Response(`glob ${new URL(request.url).hostname}`),
    "broken.example": () => {
      throw new Error("a secret");
    },
  };
}

/** Everything, and the handlers assigned from outside. */
export class Full extends Base {
  enableInternet = false;
  interceptHttps = true;
  allowedHosts = ["allowed.com", "by-host.com", "93.184.216.0/24", "*.ok.example"];
  deniedHosts = ["denied.com", "*.evil.example", "198.51.100.0/24", "2001:db8::/32"];
}
Full.outboundByHost = { "by-host.com": () => new Response("by host"), "unlisted.com": () => new Response("never") };
Full.outbound = (request) => new Response(`catch-all ${request.url}`);
Full.outboundHandlers = {
  named: (request, _, { params }) => new Response(`named ${new URL(request.url).hostname} ${JSON.stringify(params)}`),
};

/** Lists, and no handler that takes all. */
export class Listed extends Base {
  enableInternet = false;
  allowedHosts = ["allowed.com"];
}
Listed.outboundHandlers = { named: Full.outboundHandlers.named };

/** The former names, and a class whose Worker does not matter. */
export class Former extends Base {}
Former.outboundProxies = { named: Full.outboundHandlers.named };
Former.outboundProxy = () => new Response("former");

export default {
  fetch(request, env) {
    const [, name, instance] = new URL(request.url).pathname.split("/");
    if (name === "ids") return new Response(env[instance].idFromName(new URL(request.url).searchParams.get("name")).toString());
    return getContainer(env[name], instance).fetch(request);
  },
};
