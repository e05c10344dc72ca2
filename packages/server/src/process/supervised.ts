import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type ErrorCode, LongshoreError, STATUS_OF_CODE } from "@longshore/contract";
import type { FromChild, Start, ToChild } from "./messages.js";

export interface SupervisedOptions {
  readonly name: string;
  /** The child's main module. */
  readonly program: string;
  readonly start: Start;
  /** Standard output and error of the child, over all its restarts. */
  readonly logFile: string;
  readonly notify: (message: string) => void;
  /** A program and its arguments that become the child. */
  readonly wrapper?: readonly string[];
  /** Called when the child has ended without being asked to (`true`), and when the next one is ready (`false`). */
  readonly away?: (away: boolean) => void;
}

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 60_000;
const RESTART_PAUSE_MS = { first: 100, longest: 10_000 };
/** A child that lived this long has started well: the next restart is immediate again. */
const STABLE_MS = 30_000;
/** Of the child's output, where it says why it did not start. */
const LAST_LINES = { lines: 10, bytes: 16_384 };

type Facts = Readonly<Record<string, number>>;

/** A child process of `up` that is started again whenever it ends, until it is stopped. Its first start must succeed. */
export class Supervised {
  readonly #options: SupervisedOptions;
  readonly #first: Promise<Facts>;
  #start: Start;
  #child: ChildProcess | undefined;
  #stopping: Promise<void> | undefined;
  /** True when a child that ends unasked leaves what it has started to the next one. */
  #leaves = false;
  /** The start of the next child, with the pause before it, while that is under way. */
  #restart: Promise<void> | undefined;
  #endPause: () => void = () => undefined;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#start = options.start;
    this.#first = this.#launch();
    this.#first.then(
      () => this.#keep(),
      () => {
        this.#stopping = Promise.resolve();
      },
    );
  }

  /** The facts of the first start. Errors: what the child said, or `TIMEOUT`. */
  async ready(): Promise<Facts> {
    return await this.#first;
  }

  /**
   * Asks the child to end what it has started and to exit; kills it after a deadline. What a child has left that ended unasked is ended by one more, also
   * when that one cannot start.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #end(): Promise<void> {
    this.#endPause();
    await this.#restart;
    if (hasEnded(this.#child) && this.#leaves) await this.#launchAfter(0);
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    if (child.connected) child.send({ kind: "stop" } satisfies ToChild);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await ended;
    clearTimeout(timer);
  }

  /** Tells the child something; a child that is not there is told nothing. */
  tell(message: ToChild): void {
    if (this.#child?.connected) this.#child.send(message, () => undefined);
  }

  async #keep(): Promise<void> {
    let pause = RESTART_PAUSE_MS.first;
    while (this.#stopping === undefined) {
      const since = Date.now();
      await exit(this.#child);
      if (this.#stopping !== undefined) return;
      this.#options.away?.(true);
      if (Date.now() - since > STABLE_MS) pause = RESTART_PAUSE_MS.first;
      this.#options.notify(`The ${this.#options.name} ended unexpectedly and is started again (its output: ${this.#options.logFile}).`);
      this.#restart = this.#launchAfter(pause);
      await this.#restart;
      this.#restart = undefined;
      pause = Math.min(pause * 2, RESTART_PAUSE_MS.longest);
    }
  }

  /** Never rejects: a child that does not start has ended, and is followed by the next one. */
  async #launchAfter(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    await this.#launch().then(
      () => this.#options.away?.(false),
      async (error: unknown) => {
        this.#options.notify(`The ${this.#options.name} does not start: ${String(error)}`);
        await exit(this.#child);
      },
    );
  }

  async #launch(): Promise<Facts> {
    const { name, program, logFile, wrapper = [] } = this.#options;
    const output = openSync(logFile, "a", 0o600);
    const [command = process.execPath, ...args] = [...wrapper, process.execPath, "--enable-source-maps", program];
    const child = spawn(command, args, { stdio: ["ignore", output, output, "ipc"] });
    closeSync(output);
    this.#child = child;
    const { again, ...start } = this.#start;
    const isLast = this.#stopping !== undefined;
    this.#leaves = again === true && !isLast;
    return await new Promise<Facts>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new LongshoreError("TIMEOUT", `The ${name} did not start within ${START_DEADLINE_MS / 1000} s.`, {
            hint: `Its output is in ${logFile}.`,
          }),
        );
        child.kill("SIGKILL");
      }, START_DEADLINE_MS);
      child.on("message", (message: FromChild) => {
        clearTimeout(timer);
        if (message.kind === "ready") {
          this.#leaves = true;
          // A port that was picked freely is the one to take again after a restart.
          this.#start = { ...this.#start, again: true, settings: { ...this.#start.settings, ...message.facts } };
          resolve(message.facts);
        } else reject(new LongshoreError(codeFrom(message.code), message.message));
      });
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        clearTimeout(timer);
        reject(
          new LongshoreError("INTERNAL", `The ${name} ended with ${signal ?? code} while starting.\n${lastLines(logFile)}`, {
            hint: `Its output is in ${logFile}.`,
          }),
        );
      });
      child.send({ kind: "start", start: isLast ? start : this.#start } satisfies ToChild, () => undefined);
    });
  }
}

/** Resolves when the child has ended; at once for one that the system has refused to start. */
async function exit(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || hasEnded(child)) return;
  await new Promise((resolve) => child.once("exit", resolve));
}

function hasEnded(child: ChildProcess | undefined): boolean {
  return child?.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function codeFrom(code: string): ErrorCode {
  return Object.hasOwn(STATUS_OF_CODE, code) ? (code as ErrorCode) : "INTERNAL";
}

/** The file holds the output of every child that there has been: all of it may be more than fits into memory. */
function lastLines(file: string): string {
  const fd = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(LAST_LINES.bytes);
    const read = readSync(fd, bytes, 0, bytes.length, Math.max(0, fstatSync(fd).size - bytes.length));
    return bytes.toString("utf8", 0, read).trimEnd().split("\n").slice(-LAST_LINES.lines).join("\n");
  } finally {
    closeSync(fd);
  }
}
