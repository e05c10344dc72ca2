import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ContainerClass } from "@longshore/contract";
import { EngineClient } from "../../client.js";
import { type Census, takeCensus } from "../census.js";
import { ImageRegistry } from "../image-registry.js";
import { MemoryImageSource } from "../image-source.js";
import { DockerSide, WEB_IMAGE, webClass } from "../running-engine.js";
import type { EngineProcessSettings, Order } from "./engine-process.js";
import { endByForce } from "./force.js";
import type { ProcessMeasure } from "./measure-process.js";

/** Sandboxes that wait, and containers that may run. */
const POOL = 2;
const PROGRAM = fileURLToPath(new URL("./engine-process.js", import.meta.url));
const ANSWER_DEADLINE_MS = 60_000;
/** Programs that the engine runs, made slow on demand. */
const SLOWED = ["crun", "tar", "rm", "sync", "cp", "mkfs.ext4"];
const SLOW_SECONDS = 2;
/** Long enough for a child that was just made to have looked whether it is to be slow. */
const CHILD_BEGUN_MS = 300;

/** Where a slow program waits: before it begins, or in each of its processes before this one of its calls about files and processes, 1 for the first. */
export type Slow = "begin" | number;

/** A program in place of another one, which it runs: at once, or as the file says. */
function slowable(name: string, file: string): string {
  const calls = "%file,%process";
  // The tracer stands beside the program, not before it: whoever waits for the program's end sees it, though the tracer follows what was begun.
  const tracer = `strace -D -f -qq -o /dev/null -e trace=${calls} -e "inject=${calls}:delay_enter=${SLOW_SECONDS}000000:when=$where"`;
  return `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -e ${file} ] || exec ${name} "$@"
read -r where <${file}
[ "$where" = begin ] || exec ${tracer} ${name} "$@"
sleep ${SLOW_SECONDS}
exec ${name} "$@"
`;
}

/** An engine process that ended while it was asked something. */
export class EngineKilled extends Error {}

/** Engines one after the other on one set of directories, each of which may be killed at a step of its work. */
export class KillStage extends DockerSide implements AsyncDisposable {
  readonly directory: string;
  readonly images: MemoryImageSource;
  readonly #pool: number;
  readonly #registry: ImageRegistry;
  #process: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, pool: number, images: MemoryImageSource, registry: ImageRegistry) {
    super(join(directory, "run", "t-web.sock"));
    this.directory = directory;
    this.#pool = pool;
    this.images = images;
    this.#registry = registry;
  }

  /** Starts the first engine; its tenant `web` runs busybox's httpd, in at most `pool` containers. */
  static async begin(pool = POOL): Promise<KillStage> {
    const directory = mkdtempSync(join(tmpdir(), "ls-k-"));
    const images = new MemoryImageSource();
    images.add(WEB_IMAGE, { config: { Env: ["PATH=/bin"], Cmd: ["httpd", "-f", "-p", "8080", "-h", "/www"] } });
    const stage = new KillStage(directory, pool, images, await ImageRegistry.serve(images));
    mkdirSync(join(directory, "bin"));
    for (const name of SLOWED) {
      writeFileSync(join(directory, "bin", name), slowable(name, join(directory, "slow")));
      chmodSync(join(directory, "bin", name), 0o755);
    }
    try {
      await stage.startEngine();
      await stage.client.putTenant({ id: "web", classes: [stage.containerClass()] });
      await stage.settle();
      return stage;
    } catch (error) {
      await stage.abandon();
      throw error;
    }
  }

  /** As many may run as sandboxes wait, so that the pool has always the same size, whatever the demand. */
  containerClass(changes: Partial<ContainerClass> = {}): ContainerClass {
    return webClass({ image: this.reference(WEB_IMAGE), maxInstances: this.#pool, ...changes });
  }

  /** The name by which the engine asks for one of {@link images}. */
  reference(image: string): string {
    return `${this.#registry.host}/${image}`;
  }

  get client(): EngineClient {
    return new EngineClient(join(this.directory, "run", "engine.sock"), () => this.socket);
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get alive(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Starts an engine; resolves when it serves, with the steps taken if it was to be killed at a later one. Rejects with {@link EngineKilled}. */
  async startEngine(killAt?: number): Promise<string[]> {
    const settings: EngineProcessSettings = {
      directory: this.directory,
      registry: this.#registry.host,
      runtime: join(this.directory, "bin", "crun"),
      poolDepth: this.#pool,
      ...(killAt === undefined ? {} : { killAt }),
    };
    const log = openSync(join(this.directory, "engine.log"), "a");
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], {
      stdio: ["ignore", log, log, "ipc"],
      env: { PATH: `${join(this.directory, "bin")}:/usr/sbin:/usr/bin:/sbin:/bin` },
    });
    closeSync(log);
    this.#process = child;
    this.#ended = once(child, "exit");
    const steps = await this.#answer();
    return Array.isArray(steps) ? (steps as string[]) : [];
  }

  /** The engine counts its steps from now on, and is killed right before step `at`. */
  async arm(at: number): Promise<void> {
    await this.#ask({ order: "arm", at });
  }

  async disarm(): Promise<string[]> {
    return (await this.#ask({ order: "disarm" })) as string[];
  }

  async settle(): Promise<void> {
    await this.#ask({ order: "settle" });
  }

  async measure(): Promise<ProcessMeasure> {
    return (await this.#ask({ order: "measure" })) as ProcessMeasure;
  }

  census(): Census {
    return takeCensus(this.directory, this.pid);
  }

  /** Programs that the engine starts from now on take their time, before they do anything or in the middle; or no more. */
  slow(where: Slow | undefined): void {
    if (where === undefined) rmSync(join(this.directory, "slow"), { force: true });
    else writeFileSync(join(this.directory, "slow"), `${where}\n`);
  }

  /** Rejects with {@link EngineKilled} when this engine has ended. */
  async killed(): Promise<never> {
    await this.#ended;
    throw new EngineKilled(`the engine ended: ${this.logTail()}`);
  }

  /** Resolves when the engine has ended, and its last child has begun, if it is to be slow. */
  async ended(): Promise<void> {
    await this.#ended;
    if (existsSync(join(this.directory, "slow"))) await new Promise((resolve) => setTimeout(resolve, CHILD_BEGUN_MS));
  }

  /** Ends the engine at once, wherever it is. */
  async killEngine(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#ended;
  }

  /** The last lines of all engines' logs. */
  logTail(): string {
    return readFileSync(join(this.directory, "engine.log"), "utf8").split("\n").slice(-20).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.slow(undefined);
    if (!this.alive) await this.startEngine();
    for (const { id } of await this.client.instances()) await this.client.stopInstance(id, "policy", 0);
    await this.#ask({ order: "shutdown" });
    this.#process?.disconnect();
    await this.#ended;
    await this.#registry[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Ends everything by force, whatever state it is in. */
  async abandon(): Promise<void> {
    await this.killEngine();
    await endByForce(this.directory);
    await this.#registry[Symbol.asyncDispose]();
  }

  async #ask(order: Order): Promise<unknown> {
    if (!this.alive) throw new EngineKilled("the engine has been killed");
    const answer = this.#answer();
    // A failure to send is an end of the process, which the answer tells.
    this.#process?.send(order, () => undefined);
    return await answer;
  }

  async #answer(): Promise<unknown> {
    const child = this.#process;
    if (child === undefined) throw new Error("no engine has been started");
    const over = new AbortController();
    const deadline = AbortSignal.any([over.signal, AbortSignal.timeout(ANSWER_DEADLINE_MS)]);
    try {
      const [message] = (await Promise.race([once(child, "message", { signal: deadline }), this.killed()])) as [
        { result?: unknown; error?: string },
      ];
      if (message.error !== undefined) throw new Error(message.error);
      return message.result;
    } finally {
      over.abort();
    }
  }
}
