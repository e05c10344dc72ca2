import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { isErrno } from "@longshore/contract";
import { type Collected, collect, eventually } from "@longshore/testkit";

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

const START_DEADLINE_MS = 90_000;
const END_DEADLINE_MS = 60_000;

/** A program on a terminal of its own, as a person has it: script(1) is between. Disposing ends it. */
export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #output: Collected;
  readonly #exited: Promise<number | null>;

  constructor(command: readonly string[], { cwd, env }: TerminalOptions) {
    const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const child = spawn("script", ["-qefc", `exec ${words}`, "/dev/null"], {
      cwd,
      env: { ...env, TERM: "xterm", SHELL: "/bin/sh" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child = child;
    this.#output = collect(child.stdout);
    this.#exited = once(child, "exit").then(([code]) => code as number | null);
  }

  /** All that was on the screen, without colours. */
  get text(): string {
    return stripVTControlCharacters(this.#output.text);
  }

  press(key: string): void {
    this.#child.stdin?.write(key);
  }

  /** Waits until something is on the screen. Throws when the program ends before. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    return await eventually(`${pattern} on the terminal`, START_DEADLINE_MS, () => {
      const match = pattern.exec(this.text);
      if (match === null && this.#child.exitCode !== null) throw new Error(`The program has ended:\n${this.text}`);
      return match ?? undefined;
    });
  }

  /** The exit code of the program. */
  async ended(): Promise<number | null> {
    await eventually(
      "the program's end",
      END_DEADLINE_MS,
      () => this.#child.exitCode !== null || this.#child.signalCode !== null || undefined,
    );
    return await this.#exited;
  }

  /** Ends the program and all that it has started as a crash would. */
  kill(): void {
    for (const pid of below(this.#child.pid ?? 0)) killIfThere(pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGTERM");
    await this.ended().catch(() => {
      this.kill();
      this.#child.kill("SIGKILL");
    });
    await this.#exited;
  }
}

/** The processes that a process has started, and those that they have. */
function below(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).trim().split(" ").filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...below(child)]).filter((each) => read(`/proc/${each}/stat`) !== "");
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended with one that was killed before.
    if (!isErrno(error, "ESRCH")) throw error;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    // The process has ended meanwhile.
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return "";
    throw error;
  }
}
