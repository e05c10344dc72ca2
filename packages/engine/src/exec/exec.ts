import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { LongshoreError, toLongshoreError } from "@longshore/contract";
import { frame } from "../http/frames.js";
import type { Instance } from "../instance/instance.js";
import { runtimeOf } from "../sandbox/runtimes.js";
import type { SandboxHost } from "../sandbox/sandbox.js";
import { type ProcessIdentity, signalProcess } from "../sys/process.js";
import { rootIdOf } from "../sys/user-namespace.js";
import { makeExecDirectory } from "./directory.js";
import { findExecutable } from "./executable.js";
import { type ExecClient, type ExecIo, openIo } from "./io.js";
import { type ExecRequest, execProcess } from "./process-spec.js";
import { spawnInContainer } from "./spawn.js";

type State =
  | { readonly name: "created" }
  | { readonly name: "starting" }
  | { readonly name: "running"; readonly pid: number; readonly process: ProcessIdentity | undefined; readonly io: ExecIo }
  | { readonly name: "ended"; readonly pid: number; readonly exitCode: number };

/** The exit code that shells give for a command that cannot be run. */
const CANNOT_RUN = 126;

/** A terminal's size in characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** One command run in a container beside its main process. Order of calls: {@link start} once; the rest at any time. */
export class Exec {
  /** 64 hex. */
  readonly id = randomBytes(32).toString("hex");
  /** When it was created, or ended, in ms since 1970. */
  lastUsed = Date.now();
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
  #state: State = { name: "created" };
  #resolveEnded: (code: number) => void = () => undefined;

  constructor(
    readonly instance: Instance,
    readonly request: ExecRequest,
    readonly host: SandboxHost,
  ) {
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get running(): boolean {
    return this.#state.name === "running" || this.#state.name === "starting";
  }

  /** Never 0 once {@link start} has resolved. */
  get pid(): number {
    return this.#state.name === "running" || this.#state.name === "ended" ? this.#state.pid : 0;
  }

  get exitCode(): number | undefined {
    return this.#state.name === "ended" ? this.#state.exitCode : undefined;
  }

  /**
   * Runs the command; resolves when the process is there. `connect` is called then, and what it gives is joined to the process, and ended when the
   * process has ended and all of its output is handed on. A command that cannot be run ends with 126 or 127 and says why on standard error, as a
   * shell would. Errors: `CONFLICT` (started before, or the container has ended), `INVALID_INPUT` (user); then `connect` is not called.
   */
  async start(connect: () => ExecClient | undefined, size?: TerminalSize): Promise<void> {
    if (this.#state.name !== "created") throw new LongshoreError("CONFLICT", `The exec ${this.id} was started before.`);
    const { record, live } = this.instance;
    if (!live || record.status === "created") throw new LongshoreError("CONFLICT", `The container ${record.name} is not running.`);
    this.#state = { name: "starting" };
    try {
      await this.#run(connect, size);
    } catch (error) {
      if (this.exitCode === undefined) this.#end(1, CANNOT_RUN);
      throw toLongshoreError(error, `running a command in the container ${record.name}`);
    }
  }

  /** Sets the terminal's size; without a terminal nothing happens. */
  resize({ rows, columns }: TerminalSize): void {
    if (this.#state.name === "running") this.#state.io.resize(rows, columns);
  }

  /** Returns false when the process has ended. */
  signal(signal: number): boolean {
    return this.#state.name === "running" && this.#state.process !== undefined && signalProcess(this.#state.process, signal);
  }

  /** For an exec that needs no process: it is over at once. */
  completeWithout(exitCode: number): void {
    this.#end(1, exitCode);
  }

  async #run(connect: () => ExecClient | undefined, size: TerminalSize | undefined): Promise<void> {
    const { record } = this.instance;
    const sandbox = join(this.host.directory, record.id);
    const root = `/proc/${record.process.pid}/root`;
    const { spec, environment, workingDirectory } = execProcess(sandbox, root, record.environment, this.request);
    const command = findExecutable(this.request.command, { root, workingDirectory, searchPath: environment.PATH ?? "" });
    if ("message" in command) {
      this.#end(1, command.exitCode);
      connect()?.output.end(this.request.terminal ? `${command.message}\r\n` : frame("stderr", Buffer.from(`${command.message}\n`)));
      return;
    }
    const runtime = runtimeOf(sandbox, this.host.runtime);
    if (this.request.terminal && !runtime.givesTerminals) {
      throw new LongshoreError("UNSUPPORTED", `The OCI runtime ${runtime.program} gives commands no terminals.`, {
        hint: "Run the command without one (docker exec without -t), or the application with crun.",
      });
    }
    const directory = makeExecDirectory(sandbox, this.id);
    const io = openIo(this.request.terminal, directory, size !== undefined);
    try {
      io.ownedBy(rootIdOf(record.process.pid) + spec.user.uid);
      const { pid, process, ended } = await spawnInContainer(
        runtime,
        record.id,
        directory,
        { ...spec, args: size === undefined ? command.argv : withFirstSize(command.argv, size) },
        io,
      );
      this.#state = { name: "running", pid, process, io };
      const client = connect();
      io.attach(client, this.request);
      void this.#follow(pid, ended, io, client);
    } catch (error) {
      io.abandon();
      throw error;
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  async #follow(pid: number, ended: Promise<number>, io: ExecIo, client: ExecClient | undefined): Promise<void> {
    // The exit code is known before the stream ends: whoever sees its end asks for the code next.
    this.#end(pid, await ended);
    await io.drained();
    client?.output.end();
    io.close();
  }

  #end(pid: number, exitCode: number): void {
    this.#state = { name: "ended", pid, exitCode };
    this.lastUsed = Date.now();
    this.#resolveEnded(exitCode);
  }
}

/**
 * The command behind a step that gives its terminal the first size. The OCI runtime would set it from outside, at a time of its own: the command
 * might look before, and a size that a client asks for meanwhile would be lost.
 */
function withFirstSize(argv: readonly string[], { rows, columns }: TerminalSize): string[] {
  const script = `/.longshore/busybox stty rows ${rows} cols ${columns}; exec "$@"`;
  return ["/.longshore/busybox", "sh", "-c", script, "sh", ...argv];
}
