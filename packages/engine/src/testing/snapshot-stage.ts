import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { type InstanceSize, instanceSize } from "@longshore/contract";
import type { EngineSettings } from "../engine-settings.js";
import type { OpenEngine } from "../open.js";
import { NAMESPACE, runningEngine } from "./running-engine.js";

const WORKERD = join(dirname(createRequire(import.meta.url).resolve("workerd/package.json")), "bin", "workerd");

/** A Worker that does to `ctx.container` what it is told. */
const WORKER = `
import { DurableObject } from "cloudflare:workers";
const actions = {
  start: (container, options) => { container.start(options); void container.monitor().catch(() => undefined); },
  run: (container, options) => { container.start(options); return container.monitor(); },
  get: async (container, path) => (await container.getTcpPort(8080).fetch("http://container" + path)).text(),
  saveDirectory: (container, options) => container.snapshotDirectory(options),
  saveContainer: (container, options) => container.snapshotContainer(options),
  signal: (container, signal) => container.signal(signal),
  running: (container) => container.running,
  destroy: (container) => container.destroy(),
  exec: async (container, { command, options = {}, input, kill, size, abortAfterMs }) => {
    const signal = abortAfterMs === undefined ? undefined : AbortSignal.timeout(abortAfterMs);
    const started = await container.exec(command, { ...options, ...(input === undefined ? {} : { stdin: "pipe" }), signal });
    const writer = started.stdin?.getWriter();
    if (size !== undefined) await started.resize(...size);
    const fed = input === undefined ? undefined : writer.write(new TextEncoder().encode(input.text.repeat(input.times))).then(() => writer.close());
    if (kill !== undefined) started.kill(kill);
    const { stdout, stderr, exitCode } = await started.output();
    await fed;
    const text = (bytes) => new TextDecoder().decode(bytes);
    return { stdout: text(stdout), stderr: text(stderr), exitCode, pid: started.pid };
  },
};
export class Web extends DurableObject {
  async act(action, argument) {
    try {
      return { result: (await actions[action](this.ctx.container, argument)) ?? null };
    } catch (error) {
      return { error: String(error) };
    }
  }
}
export default {
  async fetch(request, env) {
    const { object, action, argument } = await request.json();
    return Response.json(await env.WEB.getByName(object).act(action, argument));
  },
};`;

/** A real engine, and a real workerd that talks to it on a tenant's socket. */
export interface SnapshotStage extends AsyncDisposable {
  readonly directory: string;
  readonly open: OpenEngine;
  /** Does something to the container of a Durable Object; throws what it throws. */
  act(object: string, action: string, argument?: unknown): Promise<unknown>;
  /** Kills workerd; there is no other afterwards. */
  killWorker(): Promise<void>;
  /** Ends the engine as a kill would, as far as containers can tell, and starts another. */
  restartEngine(): Promise<void>;
}

export async function snapshotStage(
  settings: Partial<EngineSettings> = {},
  size: InstanceSize = instanceSize("lite"),
): Promise<SnapshotStage> {
  const image = { config: { Env: ["PATH=/bin"], Cmd: ["httpd", "-f", "-p", "8080", "-h", "/"] } };
  const engine = await runningEngine(image, { containerClass: { size }, settings: { log: () => undefined, ...settings } });
  const worker = await Worker.start(engine.directory, engine.socket);
  return {
    directory: engine.directory,
    get open() {
      return engine.open;
    },
    act: (object, action, argument) => worker.act(object, action, argument),
    killWorker: () => worker[Symbol.asyncDispose](),
    restartEngine: () => engine.restart(),
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}

class Worker implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #url: string;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
  }

  static async start(directory: string, engineSocket: string): Promise<Worker> {
    const storage = join(directory, "storage");
    mkdirSync(storage);
    writeFileSync(join(directory, "worker.js"), WORKER);
    writeFileSync(join(directory, "config.capnp"), configuration(storage, engineSocket));
    const args = ["serve", join(directory, "config.capnp"), "--experimental", "--socket-addr=http=127.0.0.1:0", "--control-fd=3"];
    const child = spawn(WORKERD, args, { stdio: ["ignore", "inherit", "inherit", "pipe"] });
    const ended = once(child, "exit").then(() => Promise.reject(new Error("workerd ended at once")));
    return new Worker(child, `http://127.0.0.1:${await Promise.race([listenPort(child.stdio[3] as Readable), ended])}`);
  }

  async act(object: string, action: string, argument: unknown): Promise<unknown> {
    const response = await fetch(this.#url, { method: "POST", body: JSON.stringify({ object, action, argument }) });
    const { result, error } = (await response.json()) as { result?: unknown; error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}

async function listenPort(control: Readable): Promise<number> {
  for await (const line of createInterface(control)) {
    const event = JSON.parse(line) as { event: string; port?: number };
    if (event.event === "listen" && event.port !== undefined) return event.port;
  }
  throw new Error("workerd closed its control pipe before it listened");
}

function configuration(storage: string, engineSocket: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main), (name = "storage", disk = (path = ${JSON.stringify(storage)}, writable = true)) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
);
const main :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-06-01",
  compatibilityFlags = ["experimental"],
  bindings = [ (name = "WEB", durableObjectNamespace = "Web") ],
  durableObjectNamespaces = [ (className = "Web", uniqueKey = "${NAMESPACE}", enableSql = true, container = (imageName = "${NAMESPACE}")) ],
  durableObjectStorage = (localDisk = "storage"),
  containerEngine = (localDocker = (socketPath = ${JSON.stringify(`unix:${engineSocket}`)}, containerEgressInterceptorImage = "egress")),
);
`;
}
