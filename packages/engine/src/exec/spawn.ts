import { spawn } from "node:child_process";
import { readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { isErrno } from "@longshore/contract";
import type { RuntimeCommand } from "../sandbox/conmon.js";
import { inMemory } from "../sys/mount-namespace.js";
import { identify, type ProcessIdentity } from "../sys/process.js";
import type { ExecIo } from "./io.js";

export interface RunningProcess {
  /** The host's pid; 1 when the runtime could not start the process. */
  readonly pid: number;
  /** `undefined` when it has ended already. */
  readonly process: ProcessIdentity | undefined;
  /** Resolves with the exit code, 128 more than its number for a signal. */
  readonly ended: Promise<number>;
}

/** What a shell gives for a command that cannot be run; the runtime's own number would be taken for the command's. */
const CANNOT_RUN = 126;
const SIGNAL_BASE = 128;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Runs a process in a container with one spawn: that of the OCI runtime, which stays as the process's parent and keeps its exit code.
 * Resolves when the process is there or can never be. `directory` is for this exec alone.
 */
export async function spawnInContainer(
  runtime: RuntimeCommand,
  containerId: string,
  directory: string,
  processSpec: Record<string, unknown>,
  io: ExecIo,
): Promise<RunningProcess> {
  const specFile = inMemory(`${containerId}.${basename(directory)}`);
  const pidFile = join(directory, "pid");
  writeFileSync(specFile, JSON.stringify(processSpec), { mode: 0o600 });
  const over = new AbortController();
  using _removed = { [Symbol.dispose]: () => rmSync(specFile, { force: true }) };
  using started = watchForPid(directory, pidFile);
  const child = spawn(
    runtime.program,
    [...runtime.options, "exec", "--process", specFile, "--pid-file", pidFile, ...io.runtimeArguments, containerId],
    { stdio: [...io.stdio, ...(io.stdio.length < 3 ? (["ignore"] as const) : [])], env: { PATH } },
  );
  const exit = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? SIGNAL_BASE + (signal === "SIGKILL" ? 9 : 15)));
  }).finally(() => over.abort());
  const first = Promise.race([started.pid, exit.then(() => undefined)]);
  const [pid] = await Promise.all([first, io.spawned(over.signal)]);
  const known = pid ?? readPid(pidFile);
  if (known === undefined) return { pid: 1, process: undefined, ended: exit.then(() => CANNOT_RUN) };
  return { pid: known, process: identify(known), ended: exit };
}

function watchForPid(directory: string, pidFile: string): Disposable & { readonly pid: Promise<number> } {
  const watcher = watch(directory);
  const pid = new Promise<number>((resolve) => {
    watcher.on("change", () => {
      const found = readPid(pidFile);
      if (found !== undefined) resolve(found);
    });
  });
  return { pid, [Symbol.dispose]: () => watcher.close() };
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8").trim());
    return pid > 0 ? pid : undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
