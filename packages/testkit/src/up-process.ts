import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Presence, readPresence, runDirectory } from "@longshore/server";
import { eventually } from "./eventually.js";
import { processes, type SeenProcess } from "./processes.js";
import { type Collected, collect } from "./run.js";
import { baseEnvironment, repository } from "./settings.js";

const START_DEADLINE_MS = 120_000;

export const cli = join(repository, "packages/cli/bin/longshore.js");

/** A `longshore up` in the foreground, as an operator has it. */
export class UpProcess {
  readonly #child: ChildProcess;
  readonly #stdout: Collected;
  readonly #stderr: Collected;
  readonly #exited: Promise<number | null>;
  readonly #data: string;

  constructor(data: string, args: readonly string[]) {
    this.#data = data;
    const child = spawn(process.execPath, [cli, "up", "--data", data, ...args], {
      env: baseEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#stdout = collect(child.stdout);
    this.#stderr = collect(child.stderr);
    this.#exited = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  }

  /** What it has written so far. */
  get output(): string {
    return this.#stdout.text + this.#stderr.text;
  }

  /** The process id, as long as it runs. */
  get pid(): number | undefined {
    return this.#child.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  /** Resolves when it says that it is up. Throws what it says instead, when it ends. */
  async ready(): Promise<Presence> {
    return await eventually("Longshore is up", START_DEADLINE_MS, () => {
      if (this.pid === undefined) throw new Error(`"longshore up" ended while starting:\n${this.output}`);
      return this.#stdout.text.includes("Ctrl-C ends it.") ? readPresence(this.#data) : undefined;
    });
  }

  /** Its exit code; `null` when a signal ended it. */
  async exited(): Promise<number | null> {
    return await this.#exited;
  }

  /** Its engine, or its server. */
  child(name: "engine" | "server"): SeenProcess | undefined {
    const up = this.pid;
    return processes().find(({ parent, commandLine }) => parent === up && commandLine.includes(`${name}-main.js`));
  }
}

/** The workerd of a script; it may belong to a server that is gone. */
export function workerdOf(data: string, script: string): SeenProcess | undefined {
  const releases = join(runDirectory(data), "w", script, "releases/");
  return processes().find(({ commandLine }) => commandLine.includes("workerd serve") && commandLine.includes(releases));
}
