import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
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

type Facts = Readonly<Record<string, number>>;

/** A child process of `up` that is started again whenever it ends, until it is stopped. Its first start must succeed. */
export class Supervised {
  readonly #options: SupervisedOptions;
  readonly #first: Promise<Facts>;
  #start: Start;
  #child: ChildProcess | undefined;
  #stopping = false;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#start = options.start;
    this.#first = this.#launch();
    this.#first.then(
      () => this.#keep(),
      () => {
        this.#stopping = true;
      },
    );
  }

  /** The facts of the first start. Errors: what the child said, or `TIMEOUT`. */
  async ready(): Promise<Facts> {
    return await this.#first;
  }

  /** Asks the child to end what it has started and to exit; kills it after a deadline. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
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
    while (!this.#stopping) {
      const since = Date.now();
      await exit(this.#child);
      if (this.#stopping) return;
      this.#options.away?.(true);
      if (Date.now() - since > STABLE_MS) pause = RESTART_PAUSE_MS.first;
      this.#options.notify(`The ${this.#options.name} ended unexpectedly and is started again (its output: ${this.#options.logFile}).`);
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, RESTART_PAUSE_MS.longest);
      await this.#launch().then(
        () => this.#options.away?.(false),
        (error: unknown) => this.#options.notify(`The ${this.#options.name} does not start: ${String(error)}`),
      );
    }
  }

  async #launch(): Promise<Facts> {
    const { name, program, logFile, wrapper = [] } = this.#options;
    const output = openSync(logFile, "a", 0o600);
    const [command = process.execPath, ...args] = [...wrapper, process.execPath, "--enable-source-maps", program];
    const child = spawn(command, args, { stdio: ["ignore", output, output, "ipc"] });
    closeSync(output);
    this.#child = child;
    child.send({ kind: "start", start: this.#start } satisfies ToChild, () => undefined);
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
    });
  }
}

async function exit(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once("exit", resolve));
}

function codeFrom(code: string): ErrorCode {
  return Object.hasOwn(STATUS_OF_CODE, code) ? (code as ErrorCode) : "INTERNAL";
}

function lastLines(file: string): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-10).join("\n");
}
