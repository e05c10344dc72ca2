import { spawn } from "node:child_process";

/** What a program said, and how it ended. */
export interface Finished {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  /** The program is killed after this many milliseconds. */
  readonly deadlineMs: number;
}

/** Runs a program to its end, with no input. Rejects when it cannot be started, or takes longer than its deadline. */
export async function run(command: string, args: readonly string[], { cwd, env, deadlineMs }: RunOptions): Promise<Finished> {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], ...(cwd === undefined ? {} : { cwd }) });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, deadlineMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).finally(() => clearTimeout(timer));
  const finished = { code, stdout: stdout.text, stderr: stderr.text };
  if (!late) return finished;
  throw new Error(`${[command, ...args].join(" ")} did not end within ${deadlineMs} ms.\n${finished.stdout}\n${finished.stderr}`);
}

/** Everything that a stream has brought so far. */
export interface Collected {
  text: string;
}

export function collect(stream: NodeJS.ReadableStream): Collected {
  const collected = { text: "" };
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    collected.text += chunk;
  });
  return collected;
}
