import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { LongshoreError } from "@longshore/contract";

export interface ConmonInput {
  readonly id: string;
  readonly bundle: string;
  readonly logFile: string;
  /** conmon writes `<exitsDirectory>/<id>` with the exit code when the container's process ends. */
  readonly exitsDirectory: string;
  readonly runtime: RuntimeCommand;
  /** Absent: no input, and no terminal. */
  readonly console?: Console;
}

/** What the first process has for its standard streams besides the log. */
export interface Console {
  readonly terminal: boolean;
  /** Its input comes from those who attach (sandbox/attach.ts); else it is empty. */
  readonly stdin: boolean;
  /** The input ends with the first who attaches. */
  readonly stdinOnce: boolean;
}

/** An OCI runtime, with the options that each of its calls needs. */
export interface RuntimeCommand {
  readonly program: string;
  readonly options: readonly string[];
  /** It hands over the terminal of a further process while it waits for that process's end; runc does so only if it does not wait. */
  readonly givesTerminals: boolean;
  /** Where it keeps a directory for each container, named by its id, with all that it has of it; absent: only it knows. */
  readonly stateDirectory?: string;
}

/** Of a container's output at most this much, and one full file before it, stays on the disk (log/rotation.ts). */
const LOG_FILE_BYTES = 8 * 1024 * 1024;
/** Creating one sandbox takes tens of milliseconds; a runtime that hangs must not hold a place for ever. */
const CREATE_DEADLINE_MS = 60_000;

/**
 * Creates a container under conmon, which outlives the engine, keeps the exit code and captures the output from the first byte.
 * Returns the host's pid of the container's first process. Errors: `INTERNAL` with the runtime's own words.
 */
export async function createUnderConmon(input: ConmonInput): Promise<number> {
  const child = spawn("conmon", conmonArguments(input), {
    cwd: input.bundle,
    // fd 3 is conmon's report: `{"data": <pid>}`, or a negative number and the runtime's message.
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", TZ: "UTC", _OCI_SYNCPIPE: "3" },
    timeout: CREATE_DEADLINE_MS,
  });
  const report = child.stdio[3] as NodeJS.ReadableStream;
  // conmon stays, and holds both pipes: one line is the whole report.
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2_000);
  });
  const answer = await Promise.race([firstLine(report), failure(child)]);
  child.stderr?.destroy();
  child.stdio[3]?.destroy();
  child.unref();
  return pidFrom(answer, complaint);
}

/** Runs the OCI runtime. Resolves when it ends with 0. */
export async function runtime(command: RuntimeCommand, args: readonly string[], deadlineMs = 60_000): Promise<void> {
  const child = spawn(command.program, [...command.options, ...args], { stdio: ["ignore", "ignore", "pipe"], timeout: deadlineMs });
  const [complaint, code] = await Promise.all([
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    }),
  ]);
  if (code !== 0) throw new LongshoreError("INTERNAL", `${command.program} ${args.join(" ")} ended with ${code}: ${complaint.trim()}`);
}

function conmonArguments({ id, bundle, logFile, exitsDirectory, runtime: { program, options }, console }: ConmonInput): string[] {
  return [
    ...["--cid", id, "--cuuid", id, "--name", id],
    ...["--runtime", program, ...options.flatMap((option) => ["--runtime-arg", option])],
    ...["--bundle", bundle, "--container-pidfile", `${bundle}/pid`],
    ...["--exit-dir", exitsDirectory, "--log-path", `k8s-file:${logFile}`, "--log-level", "error", "--full-attach"],
    // Without a sync at each rotation, which would hold the container up for as long as the disk takes.
    ...(console?.terminal === true ? ["--terminal"] : []),
    ...(console?.stdin === true ? ["--stdin"] : []),
    ...(console?.stdin === true && !console.stdinOnce ? ["--leave-stdin-open"] : []),
    ...["--log-size-max", String(LOG_FILE_BYTES), "--no-sync-log"],
  ];
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let line = "";
  for await (const chunk of stream) {
    line += chunk.toString();
    if (line.includes("\n")) break;
  }
  return line;
}

async function failure(child: ReturnType<typeof spawn>): Promise<never> {
  return await new Promise((_, reject) => child.once("error", reject));
}

function pidFrom(answer: string, complaint: string): number {
  const report = answer.trim() === "" ? {} : (JSON.parse(answer) as { data?: number; pid?: number; message?: string });
  const pid = report.data ?? report.pid ?? -1;
  if (pid > 0) return pid;
  throw new LongshoreError(
    "INTERNAL",
    `The OCI runtime could not create a sandbox: ${(report.message ?? complaint ?? "no reason given").trim()}`,
  );
}
