import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export interface WorkerProcessOptions {
  /** Path of an ES module; it may import `@longshore/containers` (or what `library` says) and `cloudflare:workers`. */
  readonly script: string;
  /** Which Container class a bare import gets: ours from `dist`, or the published one. */
  readonly library?: "longshore" | "published";
  /** Class name → image name of the test engine. */
  readonly classes: Readonly<Record<string, string>>;
  readonly engineSocket: string;
  readonly vars?: Readonly<Record<string, string>>;
  /** Where Durable Objects keep their storage; a temporary directory that is removed at the end when left out. */
  readonly storage?: string;
  readonly autogates?: readonly string[];
  /** Where everything goes that the Worker fetches: `host:port`. */
  readonly internet?: string;
}

const require = createRequire(import.meta.url);
const WORKERD = join(dirname(require.resolve("workerd/package.json")), "bin", "workerd");

/** A real workerd that serves one Worker with container-enabled Durable Objects; each class is bound under its own name in upper case. */
export class WorkerProcess {
  readonly log: string[] = [];

  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly directory: string,
    /** Where the Durable Objects' storage is. */
    readonly storage: string,
  ) {}

  static async start(options: WorkerProcessOptions): Promise<WorkerProcess> {
    const directory = mkdtempSync(join(tmpdir(), "containers-workerd-"));
    const storage = options.storage ?? directory;
    const config = join(directory, "config.capnp");
    writeFileSync(config, configText(options, storage, directory));
    const args = ["serve", config, "--experimental", "--socket-addr=http=127.0.0.1:0", "--control-fd=3"];
    const child = spawn(WORKERD, args, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
    const log: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface(stream as Readable).on("line", (line) => log.push(line));
    }
    const port = await Promise.race([
      listenPort(child.stdio[3] as Readable),
      once(child, "exit").then(() => Promise.reject(new Error(`workerd ended at once:\n${log.join("\n")}`))),
    ]);
    const worker = new WorkerProcess(`http://127.0.0.1:${port}`, child, directory, storage);
    worker.log.push(...log);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface(stream as Readable).on("line", (line) => worker.log.push(line));
    }
    return worker;
  }

  /** Ends the process without a chance to clean up, as a crash would. */
  async crash(): Promise<void> {
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.crash();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function listenPort(control: Readable): Promise<number> {
  for await (const line of createInterface(control)) {
    const event = JSON.parse(line) as { event: string; port?: number };
    if (event.event === "listen" && event.port !== undefined) return event.port;
  }
  throw new Error("workerd closed its control pipe before it listened");
}

/** The library's files as modules next to each other, named so that their relative imports meet: nothing is bundled. */
function libraryModules(library: "longshore" | "published"): Array<[name: string, path: string]> {
  if (library === "longshore") {
    const entry = new URL("../index.js", import.meta.url).pathname;
    return [["@longshore/containers", entry], ...relativeModules(entry, "@longshore", "")];
  }
  const entry = require.resolve("@cloudflare/containers");
  return [["@longshore/containers", entry], ...relativeModules(entry, "@longshore", ".js")];
}

function relativeModules(path: string, folder: string, extension: string, seen = new Set<string>()): Array<[string, string]> {
  const found: Array<[string, string]> = [];
  for (const match of readFileSync(path, "utf8").matchAll(/^(?:import|export)\b[^"';]*?from ["'](\.[^"']+)["']/gm)) {
    const target = join(dirname(path), `${match[1]}${extension}`);
    const name = join(folder, match[1] ?? "");
    if (seen.has(name)) continue;
    seen.add(name);
    found.push([name, target], ...relativeModules(target, dirname(name), extension, seen));
  }
  return found;
}

function configText(options: WorkerProcessOptions, storage: string, directory: string): string {
  const text = (value: string) => JSON.stringify(value);
  const classes = Object.entries(options.classes);
  const modules = [["worker", options.script] as [string, string], ...libraryModules(options.library ?? "longshore")]
    .map(([name, path]) => `(name = ${text(name)}, esModule = embed ${text(relative(directory, path))})`)
    .join(",\n      ");
  const bindings = [
    ...classes.map(([name]) => `(name = ${text(name.toUpperCase())}, durableObjectNamespace = ${text(name)})`),
    ...Object.entries(options.vars ?? {}).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
  ].join(",\n      ");
  const namespaces = classes
    .map(
      ([name, image]) =>
        `(className = ${text(name)}, uniqueKey = ${text(`key-${name}`)}, enableSql = true, container = (imageName = ${text(image)}))`,
    )
    .join(",\n      ");
  const internet =
    options.internet === undefined ? "" : `, (name = "internet", external = (address = ${text(options.internet)}, http = ()))`;
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main), (name = "storage", disk = (path = ${text(storage)}, writable = true))${internet} ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
  autogates = [${(options.autogates ?? []).map(text).join(", ")}]
);
const main :Workerd.Worker = (
    modules = [
      ${modules}
    ],
    compatibilityDate = "2026-06-01",
    bindings = [
      ${bindings}
    ],
    durableObjectNamespaces = [
      ${namespaces}
    ],
    durableObjectStorage = (localDisk = "storage"),
    containerEngine = (localDocker = (socketPath = ${text(`unix:${options.engineSocket}`)}, containerEgressInterceptorImage = "egress"))
);
`;
}
