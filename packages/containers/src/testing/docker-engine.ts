import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { ProcessContainer, type ProgramImage } from "./process-container.js";
import { type EgressSettings, type SidecarOptions, SidecarPort } from "./sidecar-port.js";

export interface TestEngineOptions extends SidecarOptions {
  readonly socketPath: string;
  readonly images: Readonly<Record<string, ProgramImage>>;
}

/** A create or a start that the engine refuses, in the shape of the engine's own errors. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/**
 * The Docker Engine API as far as workerd uses it, over local processes in place of containers: enough to run a Container class on real workerd
 * with real programs on a machine that has no container runtime.
 */
export class TestEngine {
  readonly containers = new Map<string, ProcessContainer>();
  /** Each API call as `METHOD /path`, oldest first. */
  readonly calls: string[] = [];
  /** While set, `create` is refused with this. */
  refuse: Refusal | undefined;
  created = 0;
  #server: Server;
  /** Who waits for the exit of which container. */
  #waits = new Map<ServerResponse, string>();
  /** Containers that run, and that their Workers wait for no more. */
  #lostSightOf = new Set<string>();
  #sidecars = new Map<string, SidecarPort>();

  private constructor(private readonly options: TestEngineOptions) {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => send(response, 500, { message: String(error) }));
    });
  }

  static async start(options: TestEngineOptions): Promise<TestEngine> {
    const engine = new TestEngine(options);
    engine.#server.listen(options.socketPath);
    await once(engine.#server, "listening");
    return engine;
  }

  /** The containers that run now. */
  running(): ProcessContainer[] {
    return [...this.containers.values()].filter((container) => container.status === "running");
  }

  /** What workerd has said of the container's outbound traffic. */
  egressOf(container: ProcessContainer): EgressSettings | undefined {
    return this.#sidecars.get(`${container.name}-proxy`)?.egress;
  }

  egressPuts(container: ProcessContainer): number {
    return this.#sidecars.get(`${container.name}-proxy`)?.egressPuts ?? 0;
  }

  /** Breaks the connections on which exits are waited for, as a restart of the engine would. */
  breakWaits(): void {
    for (const [response, name] of this.#waits) {
      response.destroy();
      this.#lostSightOf.add(name);
    }
    this.#waits.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.containers.values()) await container.remove();
    for (const sidecar of this.#sidecars.values()) sidecar.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://engine");
    const path = url.pathname.replace(/^\/v[\d.]+/, "");
    this.calls.push(`${request.method} ${path}`);
    if (path === "/volumes") return send(response, 200, { Volumes: [] });
    if (path.startsWith("/networks/")) {
      return send(response, 200, { EnableIPv6: false, IPAM: { Config: [{ Subnet: "127.0.0.0/8", Gateway: "127.0.0.1" }] } });
    }
    const match = /^\/containers\/([^/]+)(?:\/(\w+))?$/.exec(path);
    if (match === null) return send(response, 404, { message: `no such route ${path}` });
    const name = decodeURIComponent(match[1] ?? "");
    if (name === "create") return this.#create(url.searchParams.get("name") ?? "", await readBody(request), response);
    if (name.endsWith("-proxy")) return this.#sidecar(name, request.method ?? "", match[2], response);
    return this.#container(name, request.method ?? "", match[2], url, response);
  }

  async #create(name: string, body: string, response: ServerResponse): Promise<void> {
    if (name.endsWith("-proxy")) {
      const sidecar = new SidecarPort(
        () => this.containers.get(name.slice(0, -"-proxy".length)),
        () => this.refuse,
        this.options,
      );
      await sidecar.listen();
      this.#sidecars.set(name, sidecar);
      return send(response, 201, { Id: name });
    }
    if (this.refuse !== undefined) return send(response, 500, this.refuse);
    const request = JSON.parse(body) as { Image: string; Env?: string[]; Cmd?: string[] };
    const image = this.options.images[request.Image];
    if (image === undefined) return send(response, 404, { message: "no such image" });
    const old = this.containers.get(name);
    if (old?.status === "running") {
      // As the engine does it: such a container is given back.
      const lost = this.#lostSightOf.delete(name);
      return lost ? send(response, 201, { Id: name }) : send(response, 409, { message: "in use" });
    }
    await old?.remove();
    this.created++;
    const env = [...(request.Env ?? []), `CLOUDFLARE_DEPLOYMENT_ID=${randomUUID()}`, `CLOUDFLARE_DURABLE_OBJECT_ID=${name.slice(-64)}`];
    this.containers.set(name, new ProcessContainer(name, image, env, request.Cmd ?? image.command));
    return send(response, 201, { Id: name });
  }

  async #sidecar(name: string, method: string, action: string | undefined, response: ServerResponse): Promise<void> {
    const sidecar = this.#sidecars.get(name);
    if (sidecar === undefined) return send(response, 404, { message: "no such container" });
    if (method === "DELETE") {
      sidecar.close();
      this.#sidecars.delete(name);
      return send(response, 204);
    }
    if (action === "start") return send(response, 204);
    if (action === "wait") return send(response, 200, { StatusCode: 0 });
    const ports = { "39001/tcp": [{ HostIp: "127.0.0.1", HostPort: String(sidecar.port) }] };
    return send(response, 200, { State: { Status: "running" }, NetworkSettings: { Ports: ports } });
  }

  async #container(name: string, method: string, action: string | undefined, url: URL, response: ServerResponse): Promise<void> {
    const container = this.containers.get(name);
    if (container === undefined) return send(response, 404, { message: "no such container" });
    if (method === "DELETE") {
      this.containers.delete(name);
      await container.remove();
      return send(response, 204);
    }
    if (action === "start") {
      if (container.status !== "running") await container.start();
      return send(response, 204);
    }
    if (action === "kill") {
      if (container.status !== "running") return send(response, 409, { message: "not running" });
      container.kill(url.searchParams.get("signal") ?? "SIGKILL");
      return send(response, 204);
    }
    if (action === "wait") {
      this.#waits.set(response, name);
      const code = await container.exited;
      this.#waits.delete(response);
      return send(response, 200, { StatusCode: code });
    }
    return send(response, 200, { State: { Status: container.status }, Config: { Image: "test" } });
  }
}

function send(response: ServerResponse, status: number, body?: unknown): void {
  const text = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text;
}
