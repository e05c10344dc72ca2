import { closeSync, fchownSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { LongshoreError } from "@longshore/contract";
import { frame } from "../http/frames.js";
import { bytesAvailable, closePipe, makePipe, type Pipe, pipeStream } from "../sys/pipe.js";
import { ConsoleSocket } from "../sys/pty.js";
import type { Terminal } from "../sys/terminal.js";
import { OutputCopy } from "./output.js";
import type { ExecRequest } from "./process-spec.js";

/** Who an exec is joined to: a connection that is both, or one that only takes the output. */
export interface ExecClient {
  readonly output: Writable;
  readonly input?: Readable;
}

/** What a process is given to read from and write to, and how that meets a client's connection. Order of calls: as listed. */
export interface ExecIo {
  /** For the OCI runtime: its own standard streams, which the process inherits, and further arguments. */
  readonly stdio: readonly (number | "ignore")[];
  readonly runtimeArguments: readonly string[];
  /** Lets this user of the host open by name (`/dev/stdout`) what the process gets. */
  ownedBy(uid: number): void;
  /** The runtime has been spawned; `signal` aborts when it ends. Resolves when there is something to attach to. */
  spawned(signal: AbortSignal): Promise<void>;
  attach(client: ExecClient | undefined, request: ExecRequest): void;
  resize(rows: number, columns: number): void;
  /** The process has ended: resolves when all that it wrote has been handed on. */
  drained(): Promise<void>;
  /** Ends what can be ended; output of children left behind is thrown away until they are gone. */
  close(): void;
  /** Closes everything at once, for a process that never came to be. */
  abandon(): void;
}

/** `directory` is the exec's own. */
export function openIo(terminal: boolean, directory: string, sized: boolean): ExecIo {
  return terminal ? new TerminalIo(join(directory, "tty"), sized) : new PipeIo();
}

/** Three pipes; output is framed, so that one connection carries both streams. */
class PipeIo implements ExecIo {
  readonly stdio: readonly number[];
  readonly runtimeArguments = [];
  readonly #pipes: readonly [Pipe, Pipe, Pipe];
  #input: Socket | undefined;
  #copies: OutputCopy[] = [];

  constructor() {
    const [input, output, errors] = [makePipe(), makePipe(), makePipe()];
    this.#pipes = [input, output, errors];
    this.stdio = [input.read, output.write, errors.write];
  }

  ownedBy(uid: number): void {
    for (const fd of this.stdio) fchownSync(fd, uid, -1);
  }

  async spawned(): Promise<void> {
    for (const fd of this.stdio) closeSync(fd);
  }

  attach(client: ExecClient | undefined, request: ExecRequest): void {
    const [input, output, errors] = this.#pipes;
    this.#input = pipeStream(input.write, "write");
    feed(request.stdin ? client?.input : undefined, this.#input);
    this.#copies = [
      copyOutput(output.read, request.stdout ? client?.output : undefined, "stdout"),
      copyOutput(errors.read, request.stderr ? client?.output : undefined, "stderr"),
    ];
  }

  resize(): void {
    // Without a terminal there is no size.
  }

  async drained(): Promise<void> {
    for (const copy of this.#copies) copy.processEnded();
    await Promise.all(this.#copies.map((copy) => copy.done));
  }

  close(): void {
    this.#input?.destroy();
  }

  abandon(): void {
    for (const pipe of this.#pipes) closePipe(pipe);
  }
}

function copyOutput(fd: number, target: Writable | undefined, stream: "stdout" | "stderr"): OutputCopy {
  const source = pipeStream(fd, "read");
  const copy = new OutputCopy(source, () => bytesAvailable(fd));
  copy.to(target, (chunk) => frame(stream, chunk));
  return copy;
}

const RECEIVE_DEADLINE_MS = 10_000;
/** A wait for the terminal looks this often whether the runtime still lives; it usually ends within milliseconds. */
const RECEIVE_SLICE_MS = 100;

const SIZE_LOOK_MS = 1;

/** A terminal: one raw stream in both directions. */
class TerminalIo implements ExecIo {
  readonly stdio = ["ignore", "ignore"] as const;
  readonly runtimeArguments: readonly string[];
  readonly #socket: ConsoleSocket;
  /** The command begins by giving its terminal a size. */
  readonly #sized: boolean;
  #terminal: Terminal | undefined;
  #copy: OutputCopy | undefined;

  constructor(path: string, sized: boolean) {
    this.#sized = sized;
    this.#socket = new ConsoleSocket(path);
    this.runtimeArguments = ["--tty", "--console-socket", path];
  }

  ownedBy(): void {
    // The OCI runtime makes the terminal, for the user.
  }

  async spawned(signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + RECEIVE_DEADLINE_MS;
    while (this.#terminal === undefined && !signal.aborted && Date.now() < deadline) {
      this.#terminal = await this.#socket.receive(RECEIVE_SLICE_MS);
    }
    this.#socket[Symbol.dispose]();
    if (this.#terminal === undefined) throw new LongshoreError("INTERNAL", "The OCI runtime made no terminal.");
    // A client's size must come after the first one.
    while (this.#sized && !this.#terminal.hasSize() && !signal.aborted && Date.now() < deadline) await delay(SIZE_LOOK_MS);
  }

  attach(client: ExecClient | undefined): void {
    if (this.#terminal === undefined) return;
    const { output, input } = this.#terminal;
    this.#copy = new OutputCopy(output);
    this.#copy.to(client?.output, (chunk) => chunk);
    // The end of what is typed is not the end of the terminal.
    const typed = client?.input;
    typed?.on("data", (chunk: Buffer) => {
      if (!input.write(chunk)) typed.pause();
    });
    input.on("drain", () => typed?.resume());
    input.on("error", () => typed?.resume());
  }

  resize(rows: number, columns: number): void {
    this.#terminal?.resize(rows, columns);
  }

  async drained(): Promise<void> {
    this.#terminal?.finish();
    await this.#copy?.done;
  }

  close(): void {
    this.#terminal?.close();
  }

  abandon(): void {
    this.#socket[Symbol.dispose]();
    this.#terminal?.close();
  }
}

/** Gives the process what the client sends. The client's half-close is the process's end of input; a process that reads no more is let be. */
function feed(source: Readable | undefined, input: Writable): void {
  input.on("error", () => {
    source?.unpipe(input);
    source?.resume();
  });
  if (source === undefined) {
    input.end();
    return;
  }
  source.pipe(input);
  source.once("close", () => input.end());
}
