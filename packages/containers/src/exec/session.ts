import { RpcTarget } from "cloudflare:workers";

/**
 * A command that runs in a container. As the runtime's own `ExecProcess`, and besides a value that a method of a Container may return to another
 * Worker: streams, exit code and methods work from there.
 */
export class ExecSession extends RpcTarget implements ExecProcess {
  #process: ExecProcess;

  constructor(process: ExecProcess) {
    super();
    this.#process = process;
  }

  /** Where to write, with `stdin: "pipe"` or a terminal; else `null`. */
  get stdin(): WritableStream | null {
    return this.#process.stdin;
  }

  /** `null` with `stdout: "ignore"`. A terminal's output is all here. */
  get stdout(): ReadableStream | null {
    return this.#process.stdout;
  }

  /** `null` unless standard error is a stream of its own. */
  get stderr(): ReadableStream | null {
    return this.#process.stderr;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isPty(): boolean {
    return this.#process.isPty;
  }

  /** Resolves when the command has ended: to its exit code, or to 128 and the number of the signal that ended it. */
  get exitCode(): Promise<number> {
    return this.#process.exitCode;
  }

  /** Reads both streams to their end. Throws if one has been read from already. */
  async output(): Promise<ExecOutput> {
    // The runtime's own object cannot travel.
    const { stdout, stderr, exitCode } = await this.#process.output();
    return { stdout, stderr, exitCode };
  }

  /** Sends a signal by its number, `SIGTERM` if none is given. */
  kill(signal?: number): void {
    this.#process.kill(signal);
  }

  /** Tells the terminal its size. Throws if the command has none. */
  resize(cols: number, rows: number): void {
    this.#process.resize(cols, rows);
  }
}
