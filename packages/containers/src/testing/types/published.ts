// Code as it is written for the published package. It is compiled against that and against ours (types.test.ts); a line after `@ts-expect-error` must
// be refused by both.
import type { DurableObject } from "cloudflare:workers";
import {
  Container,
  type ContainerEventHandler,
  type ContainerMessage,
  type ContainerOptions,
  ContainerProxy,
  type ContainerStartConfigOptions,
  getContainer,
  getRandom,
  loadBalance,
  type OutboundHandler,
  type OutboundHandlerContext,
  type OutboundHandlerParams,
  type OutboundHandlerParamsOf,
  type OutboundHandlers,
  outboundParams,
  type State,
  type StopParams,
  switchPort,
  type WaitOptions,
} from "@cloudflare/containers";

export { ContainerProxy };

interface Env {
  PLAIN: DurableObjectNamespace<Plain>;
  FULL: DurableObjectNamespace<Full>;
  TOKEN: string;
}

export class Plain extends Container {
  defaultPort = 8080;
  requiredPorts = [8080, 9222];
  sleepAfter = "5m";
  envVars = { NODE_ENV: "production" };
  entrypoint = ["npm", "run", "start"];
  enableInternet = false;
  interceptHttps = true;
  allowedHosts = ["allowed.com"];
  deniedHosts = ["denied.com"];
  labels = { team: "a" };
  pingEndpoint = "localhost/ready";
}

export class Numeric extends Container<Env> {
  override sleepAfter: string | number = 30;
}

export class Full extends Container<Env> {
  override defaultPort = 4000;

  constructor(ctx: DurableObject["ctx"], env: Env) {
    const options: ContainerOptions = { defaultPort: 4000, sleepAfter: 10, envVars: {}, entrypoint: [], enableInternet: true, id: "x" };
    super(ctx, env, options);
    this.envVars = { TOKEN: env.TOKEN };
    this.entrypoint = undefined;
  }

  override async onStart(): Promise<void> {
    const task = await this.schedule(60, "report", { deep: true });
    const id: string = task.taskId;
    const time: number = task.time;
    if (task.type === "delayed") console.log(task.delayInSeconds, id, time, task.payload.deep);
    await this.schedule(new Date(), "report");
    // @ts-expect-error: neither a date nor a number
    await this.schedule("soon", "report");
    const known = await this.getSchedule<{ deep: boolean }>(id);
    console.log(known?.payload.deep, (await this.listSchedules("report")).length);
    this.deleteSchedules("report");
  }

  override onStop({ exitCode, reason }: StopParams): void {
    const code: number = exitCode;
    const why: "exit" | "runtime_signal" = reason;
    console.log(code, why);
  }

  override onError(error: unknown): unknown {
    return error;
  }

  override async onActivityExpired() {
    const state: State = await this.getState();
    if (state.status === "stopped_with_code") console.log(state.exitCode, state.lastChange);
    await this.stop();
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/admin") return await this.containerFetch(request, 8080);
    if (pathname === "/url") return await this.containerFetch("http://localhost/x", { method: "POST" }, 9090);
    if (pathname === "/init") return await this.containerFetch(new URL("http://localhost/x"), { headers: { a: "b" } });
    return this.containerFetch(request);
  }

  async lifecycle(signal: AbortSignal): Promise<void> {
    const start: ContainerStartConfigOptions = { envVars: { A: "b" }, entrypoint: ["x"], enableInternet: false, labels: { a: "b" } };
    const wait: WaitOptions = { portToCheck: 8080, signal, retries: 3, waitInterval: 100 };
    await this.start();
    await this.start(start);
    await this.start(start, wait);
    await this.startAndWaitForPorts();
    await this.startAndWaitForPorts(8080);
    await this.startAndWaitForPorts([8080], { abort: signal, instanceGetTimeoutMS: 1, portReadyTimeoutMS: 1, waitInterval: 1 }, start);
    await this.startAndWaitForPorts({ ports: 8080, startOptions: start, cancellationOptions: { abort: signal } });
    const tries: number = await this.waitForPort(wait);
    // @ts-expect-error: which port?
    await this.waitForPort({});
    await this.stop("SIGINT");
    await this.stop(tries);
    // @ts-expect-error: no such signal
    await this.stop("SIGHUP");
    await this.destroy();
    this.renewActivityTimeout();
    await this.scheduleNextAlarm(1000);
    await this.alarm();
    await this.alarm({ isRetry: false, retryCount: 0 } as AlarmInvocationInfo);
  }

  async outboundRules(): Promise<void> {
    await this.setOutboundHandler("github");
    await this.setOutboundHandler<{ key: string }>("github", { key: "a" });
    // @ts-expect-error: the params are wanted
    await this.setOutboundHandler<{ key: string }>("github");
    await this.setOutboundHandler<undefined>("github");
    await this.setOutboundByHost("github.com", "github");
    await this.setOutboundByHost("github.com", "github", outboundParams(github, { key: "a" }));
    // @ts-expect-error: a key is a string
    outboundParams(github, { key: 1 });
    await this.setOutboundByHosts({ "a.com": "github", "b.com": { method: "github", params: { key: "a" } } });
    await this.removeOutboundByHost("github.com");
    await this.setAllowedHosts(["a"]);
    await this.setDeniedHosts(["a"]);
    await this.allowHost("a");
    await this.denyHost("a");
    await this.removeAllowedHost("a");
    await this.removeDeniedHost("a");
    // @ts-expect-error: a list
    await this.setAllowedHosts("a");
  }
}

const github = (request: Request, _env: unknown, ctx: OutboundHandlerContext<{ key: string }>) => {
  const key: string = ctx.params.key;
  return fetch(new Request(request, { headers: { key, id: ctx.containerId, class: ctx.className } }));
};
const withToken: OutboundHandler<Env, { key: string }> = (request, env) => fetch(request, { headers: { authorization: env.TOKEN } });

Full.outbound = async (request, _env, ctx) => {
  if (request.method !== "GET") return new Response(ctx.containerId, { status: 405 });
  return fetch(request);
};
Full.outboundByHost = {
  "github.com": github,
  "my.worker": (_request: Request, _env: unknown, { containerId }: OutboundHandlerContext) => new Response(containerId),
};
Full.outboundHandlers = { github, withToken };
const former: OutboundHandler | undefined = Full.outboundProxy;
console.log(former, Full.outboundProxies?.github);
// @ts-expect-error: a handler answers
Full.outbound = () => 7;

export class Static extends Container<Env> {
  static outboundByHost = { "blocked.example.com": () => new Response("Blocked", { status: 403 }) };
  static outbound = async (request: Request, _env: unknown, ctx: OutboundHandlerContext) => {
    console.log(ctx.containerId);
    return fetch(request);
  };
  static outboundHandlers = { github };
}

type Params = { github: { key: string }; plain: undefined };
const typed: OutboundHandlers<Params, Env> = { github, plain: () => new Response() };
type Key = OutboundHandlerParamsOf<typeof github>;
const params: OutboundHandlerParams = { key: { key: "a" } satisfies Key, typed };
const handler: ContainerEventHandler = () => undefined;
const message: ContainerMessage<number> = { type: "x", payload: 1 };
console.log(params, handler, message);

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    const container = getContainer(env.FULL, "session");
    if (pathname === "/port") return getContainer(env.PLAIN).fetch(switchPort(request, 9090));
    if (pathname === "/random") return (await getRandom(env.PLAIN, 5)).fetch(request);
    if (pathname === "/balance") return (await loadBalance(env.PLAIN, 3)).fetch(request);
    if (pathname === "/state") return Response.json({ status: (await container.getState()).status });
    await container.startAndWaitForPorts({ ports: [8080, 9222], startOptions: { envVars: { API_KEY: env.TOKEN } } });
    await container.setOutboundByHost("github.com", "github");
    const inner = await container.containerFetch("http://container/x", { method: "POST" }, 9090);
    console.log(inner.status);
    // @ts-expect-error: no such method
    await container.nothing();
    return container.fetch(request);
  },
};
