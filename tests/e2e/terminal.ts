import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { stripVTControlCharacters } from "node:util";
import { type Collected, collect, eventually } from "@longshore/testkit";

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

const START_DEADLINE_MS = 90_000;
const END_DEADLINE_MS = 30_000;

/** A program on a terminal of its own, as a person has it: script(1) is between. Disposing hangs up. */
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

  /** The pid of script(1), whose child is the program. */
  get pid(): number {
    return this.#child.pid ?? 0;
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

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGHUP");
    await this.#exited;
  }
}
