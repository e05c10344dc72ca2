import { Container, ContainerProxy, getContainer, getRandom, loadBalance, switchPort } from "@longshore/containers";

export { ContainerProxy };

/** Writes down which hooks were called. */
export class Box extends Container {
  defaultPort = 8080;
  sleepAfter = "3m";
  envVars = { MESSAGE: "the class's message" };

  note(event) {
    this.ctx.storage.kv.put("events", [...this.events(), event]);
  }
  events() {
    return this.ctx.storage.kv.get("events") ?? [];
  }
  onStart() {
    this.note("start");
  }
  onStop({ exitCode, reason }) {
    this.note(`stop ${exitCode} ${reason}`);
  }
  onError(error) {
    this.note("error");
    throw error;
  }
  due(payload) {
    this.note(`due ${payload}`);
  }

  /** `containerFetch` with the arguments that cannot be passed to an object. */
  async ask(form) {
    const init = { method: "POST", body: "posted" };
    const calls = {
      request: () => this.containerFetch(new Request("http://container/seen")),
      "request, port": () => this.containerFetch(new Request("http://container/"), 8081),
      "request, { port }": () => this.containerFetch(new Request("http://container/"), { port: 8081 }),
      url: () => this.containerFetch("http://container/seen?a=1"),
      "url, init, port": () => this.containerFetch("http://container/echo", init, 8081),
      relative: () => this.containerFetch("/seen?b=2"),
      "relative, init, port": () => this.containerFetch("/echo", init, 8081),
      https: () => this.containerFetch("https://container/seen"),
    };
    const response = await calls[form]();
    return { status: response.status, text: await response.text() };
  }

  async startAborted() {
    await this.startAndWaitForPorts({ ports: 9999, cancellationOptions: { abort: AbortSignal.timeout(500) } });
  }
  scheduleAt(ms) {
    return this.schedule(new Date(Date.now() + ms), "due", "date");
  }
}

export class Required extends Box {
  requiredPorts = [8080, 8081];
}

export class NoPort extends Box {
  defaultPort = undefined;
}

export class Few extends Box {}

export class Configured extends Container {
  constructor(ctx, env) {
    super(ctx, env, { defaultPort: 8081, sleepAfter: "3m", envVars: { MESSAGE: "the constructor's message" }, enableInternet: false });
  }
}

export class Sleepy extends Box {
  sleepAfter = "2s";
}

export class Sleepless extends Sleepy {
  onActivityExpired() {
    this.note("expired");
  }
}

export class Fenced extends Box {
  enableInternet = false;
  interceptHttps = true;
  allowedHosts = ["allowed.com", "by-host.com", "*.glob.com", "later.com"];
  deniedHosts = ["denied.com"];
  envVars = { NODE_EXTRA_CA_CERTS: "/etc/cloudflare/certs/cloudflare-containers-ca.crt" };
}
Fenced.outboundByHost = {
  "by-host.com": (_request, env, ctx) => new Response(`by host ${env.SECRET} ${ctx.className} ${ctx.containerId.length}`),
  "*.glob.com": (request) => new Response(`by glob ${new URL(request.url).hostname}`),
};
Fenced.outbound = (request) => new Response(`catch-all ${new URL(request.url).hostname}`);
Fenced.outboundHandlers = { named: (_request, _env, ctx) => new Response(`named ${ctx.params?.word ?? ""}`) };

export class Closed extends Box {
  enableInternet = false;
}

async function act(request, env) {
  const url = new URL(request.url);
  const [, name, id, verb, ...rest] = url.pathname.split("/");
  const stub = getContainer(env[name], id);
  const inner = (path) => new Request(`http://container/${path.join("/")}${url.search}`, request);
  switch (verb) {
    case "fetch":
      return stub.fetch(inner(rest));
    case "container-fetch":
      return stub.containerFetch(inner(rest));
    case "container-fetch-port":
      return stub.containerFetch(inner(rest.slice(1)), Number(rest[0]));
    case "switch-port":
      return stub.fetch(switchPort(inner(rest.slice(1)), Number(rest[0])));
    case "random":
      return (await getRandom(env[name], 2)).fetch(inner(rest));
    case "load-balance":
      return (await loadBalance(env[name], 2)).fetch(inner(rest));
    case "call": {
      const { method, args } = await request.json();
      return Response.json({ value: (await stub[method](...args)) ?? null });
    }
    default:
      return new Response("no such verb", { status: 404 });
  }
}

export default {
  async fetch(request, env) {
    try {
      return await act(request, env);
    } catch (error) {
      return Response.json({ error: String(error?.message ?? error) }, { status: 599 });
    }
  },
};
