import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const WORKERD = join(dirname(createRequire(import.meta.url).resolve("workerd/package.json")), "bin", "workerd");
// Workers are not compiled: they stay in the source tree.
const WORKERS = fileURLToPath(new URL("../../src/testing/workers/", import.meta.url));

export interface TestWorkerOptions {
  readonly script: string;
  /** Class name → Durable Object namespace id. */
  readonly classes: Readonly<Record<string, string>>;
  readonly engineSocket: string;
  /** Where Durable Objects keep their storage, to be kept between two Workers. */
  readonly storage: string;
}

/** A real workerd with one Worker whose Durable Objects have containers on the engine under test. */
export class TestWorker implements AsyncDisposable {
  readonly log: string[] = [];
  readonly #url: string;
  readonly #stop: () => Promise<void>;

  private constructor(url: string, stop: () => Promise<void>, log: string[]) {
    this.#url = url;
    this.#stop = stop;
    this.log = log;
  }

  static async start(options: TestWorkerOptions): Promise<TestWorker> {
    const directory = mkdtempSync(join(tmpdir(), "longshore-w-"));
    const config = join(directory, "config.capnp");
    writeFileSync(config, configuration(options, directory));
    const child = spawn(WORKERD, ["serve", config, "--experimental", "--control-fd=3"], { stdio: ["ignore", "pipe", "pipe", "pipe"] });
    const log: string[] = [];
    for (const stream of [child.stdout, child.stderr]) createInterface(stream as Readable).on("line", (line) => log.push(line));
    const exited = once(child, "exit");
    const port = await Promise.race([
      listenPort(child.stdio[3] as Readable),
      exited.then(() => Promise.reject(new Error(`workerd ended at once:\n${log.join("\n")}`))),
    ]);
    const stop = async () => {
      // A farewell would remove the containers.
      child.kill("SIGKILL");
      await exited;
      rmSync(directory, { recursive: true, force: true });
    };
    return new TestWorker(`http://127.0.0.1:${port}`, stop, log);
  }

  /** The body of an answer that must be good. */
  async ask(path: string): Promise<string> {
    const response = await fetch(this.#url + path);
    const body = await response.text();
    if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${body}\n${this.log.join("\n")}`);
    return body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

async function listenPort(control: Readable): Promise<number> {
  for await (const line of createInterface(control)) {
    const event = JSON.parse(line) as { event: string; port?: number };
    if (event.event === "listen" && event.port !== undefined) return event.port;
  }
  throw new Error("workerd closed its control pipe before it listened");
}

function configuration({ script, classes, engineSocket, storage }: TestWorkerOptions, directory: string): string {
  const text = (value: string) => JSON.stringify(value);
  const each = (write: (name: string, id: string) => string) =>
    Object.entries(classes)
      .map(([name, id]) => write(name, id))
      .join(", ");
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main), (name = "storage", disk = (path = ${text(storage)}, writable = true)) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
);
const main :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed ${text(relative(directory, join(WORKERS, script)))}) ],
  compatibilityDate = "2026-06-01",
  compatibilityFlags = ["enable_ctx_exports", "experimental", "nodejs_compat"],
  bindings = [ ${each((name) => `(name = ${text(name.toUpperCase())}, durableObjectNamespace = ${text(name)})`)} ],
  durableObjectNamespaces = [
    ${each((name, id) => `(className = ${text(name)}, uniqueKey = ${text(id)}, enableSql = true, container = (imageName = ${text(id)}))`)}
  ],
  durableObjectStorage = (localDisk = "storage"),
  containerEngine = (localDocker = (socketPath = ${text(`unix:${engineSocket}`)}, containerEgressInterceptorImage = "egress")),
);
`;
}
