import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@longshore/contract/testing";

const KEPT_LINES = 20;

/** What an "image" of the test engine is: a command, and the ports its program listens on (each is mapped to a free one by `PORT_<n>`; the first also by `PORT`). */
export interface ProgramImage {
  readonly command: readonly string[];
  readonly ports: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
  /** Being killed stands for running out of memory. */
  readonly hog?: boolean;
}

/** One container of the test engine: a local process with a scratch directory of its own. */
export class ProcessContainer {
  readonly disk = mkdtempSync(join(tmpdir(), "containers-test-"));
  readonly lastLines: string[] = [];
  readonly exited: Promise<number>;
  /** Set when it was sent a signal that asks for its end. */
  toldToEnd = false;
  exitCode: number | undefined;
  /** Unix time in milliseconds; 0 before its start. */
  startedAt = 0;
  #child: ChildProcess | undefined;
  #hostPorts = new Map<number, number>();
  #resolveExited: (code: number) => void = () => undefined;

  constructor(
    readonly name: string,
    readonly image: ProgramImage,
    readonly env: readonly string[],
    readonly command: readonly string[],
  ) {
    this.exited = new Promise((resolve) => {
      this.#resolveExited = resolve;
    });
  }

  get status(): "created" | "running" | "exited" {
    if (this.exitCode !== undefined) return "exited";
    return this.#child === undefined ? "created" : "running";
  }

  /** Where on this machine a port of the container is; `undefined` for a port that its program never opens. */
  hostPort(port: number): number | undefined {
    return this.#hostPorts.get(port);
  }

  async start(): Promise<void> {
    const env: Record<string, string> = { PATH: "/usr/bin:/bin", ...this.image.env, DISK_DIR: this.disk };
    for (const variable of this.env) env[variable.slice(0, variable.indexOf("="))] = variable.slice(variable.indexOf("=") + 1);
    for (const port of this.image.ports) {
      const free = await freePort();
      this.#hostPorts.set(port, free);
      env.PORT ??= String(free);
      env[`PORT_${port}`] = String(free);
    }
    const [program = "", ...args] = this.command;
    this.startedAt = Date.now();
    const child = spawn(program, args, { env, cwd: this.disk, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.lastLines.push(...text.split("\n").filter((line) => line !== ""));
        this.lastLines.splice(0, this.lastLines.length - KEPT_LINES);
      });
    }
    child.on("error", (error) => this.#end(127, error.message));
    child.on("close", (code, signal) => this.#end(code ?? 128 + signalNumber(signal)));
  }

  kill(signal: string): void {
    if (signal !== "SIGSTOP") this.toldToEnd = true;
    this.#child?.kill(signal as NodeJS.Signals);
    // As with the engine: what a sleeping process is told, it hears.
    if (signal !== "SIGSTOP") this.wake();
  }

  /** Something comes in: a process that was stopped by a signal goes on. */
  wake(): void {
    this.#child?.kill("SIGCONT");
  }

  /** True while a signal keeps the process from running. */
  get frozen(): boolean {
    return this.#child?.pid !== undefined && /^State:\s+T/m.test(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"));
  }

  async remove(): Promise<void> {
    if (this.status === "running") {
      this.kill("SIGKILL");
      await this.exited;
    }
    this.#end(137);
    rmSync(this.disk, { recursive: true, force: true });
  }

  #end(code: number, line?: string): void {
    if (this.exitCode !== undefined) return;
    if (line !== undefined) this.lastLines.push(line);
    this.exitCode = code;
    this.#resolveExited(code);
  }
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === "SIGTERM" ? 15 : signal === "SIGINT" ? 2 : 9;
}
