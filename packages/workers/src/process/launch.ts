import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import type { Readable } from "node:stream";
import { createLifeline } from "./lifeline.js";
import type { NamedSocket } from "./listening-sockets.js";
import type { LogFile } from "./log-file.js";
import { processFacts } from "./proc.js";
import { describeExit, endWithin, type ProcessExit, type WorkerdProcess } from "./workerd-process.js";

/** Places of the descriptors in the new process. */
const CONTROL_FD = 3;
const FIRST_SOCKET_FD = 4;
const LINE_END = 10;

export interface LaunchOptions {
  /** The workerd program itself, not npm's JavaScript wrapper: that one would stay as a process in between. */
  readonly workerdPath: string;
  readonly configPath: string;
  readonly sockets: readonly (NamedSocket & { readonly fd: number })[];
  readonly log: LogFile;
  /** Where the process's lifeline is made; throwaway processes need none. */
  readonly lifelinePath?: string;
  readonly readyTimeoutMs: number;
  /** Takes nothing that workerd calls experimental, as few of our own configurations could run. */
  readonly stableOnly?: true;
  readonly uid?: number;
  readonly gid?: number;
}

/** workerd did not come up. `lines` are its own last words. */
export class StartFailure extends Error {
  override readonly name = "StartFailure";
  /** `refused`: workerd ended by itself with an exit code, so it did not like what it was given. */
  readonly kind: "refused" | "died" | "timeout" | "spawn";
  readonly lines: readonly string[];

  constructor(kind: StartFailure["kind"], message: string, lines: readonly string[], cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.lines = lines;
  }
}

/**
 * Starts a workerd and resolves when it serves. The process leads a session of its own, so a Ctrl-C at our terminal is not also its. It inherits the
 * limit on open files that Node.js raised to the hard limit when it started. Errors: {@link StartFailure}; nothing is left running then.
 */
export async function launchWorkerd(options: LaunchOptions): Promise<WorkerdProcess> {
  const logPosition = options.log.position();
  const child = spawnChild(options);
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (code, signal) => resolve(code !== null ? { code } : { signal: signal ?? "a signal" }));
  });
  try {
    await ready(child, exited, options.sockets.length, options.readyTimeoutMs);
  } catch (error) {
    if (child.pid !== undefined) {
      child.kill("SIGKILL");
      await exited;
    }
    const lines = options.log.linesSince(logPosition, 20);
    throw error instanceof StartFailure ? new StartFailure(error.kind, error.message, lines, error.cause) : error;
  }
  return new ChildWorkerd(child, exited, logPosition);
}

function spawnChild({ workerdPath, configPath, sockets, log, lifelinePath, stableOnly, uid, gid }: LaunchOptions): ChildProcess {
  const logFd = log.open();
  const lifelineFd = lifelinePath === undefined ? undefined : createLifeline(lifelinePath);
  try {
    const descriptors = sockets.map(({ name }, index) => `--socket-fd=${name}=${FIRST_SOCKET_FD + index}`);
    // workerd counts its own modules and the assets service among what may still change.
    const experimental = stableOnly === true ? [] : ["--experimental"];
    return spawn(workerdPath, ["serve", ...experimental, ...descriptors, `--control-fd=${CONTROL_FD}`, configPath, "config"], {
      stdio: ["ignore", logFd, logFd, "pipe", ...sockets.map(({ fd }) => fd), ...(lifelineFd === undefined ? [] : [lifelineFd])],
      env: {},
      cwd: "/",
      detached: true,
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
  } finally {
    closeSync(logFd);
    if (lifelineFd !== undefined) closeSync(lifelineFd);
  }
}

/** workerd writes a line for each socket once the code is loaded and the socket is served. */
async function ready(child: ChildProcess, exited: Promise<ProcessExit>, sockets: number, timeoutMs: number): Promise<void> {
  const control = child.stdio[CONTROL_FD] as Readable;
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([
      new Promise<void>((resolve) => {
        let lines = 0;
        control.on("data", (bytes: Buffer) => {
          lines += bytes.filter((byte) => byte === LINE_END).length;
          if (lines >= sockets) resolve();
        });
      }),
      new Promise<never>((_, reject) => {
        child.once("error", (error) => reject(new StartFailure("spawn", `workerd could not be started: ${error.message}.`, [], error)));
        control.once("error", (error) =>
          reject(new StartFailure("died", `workerd could not report that it is ready: ${error.message}.`, [], error)),
        );
        timer = setTimeout(() => reject(new StartFailure("timeout", `workerd was not ready within ${timeoutMs} ms.`, [])), timeoutMs);
      }),
      exited.then((exit): never => {
        const refused = exit !== "unknown" && "code" in exit;
        throw new StartFailure(refused ? "refused" : "died", `workerd ${describeExit(exit)} before it was ready.`, []);
      }),
    ]);
  } finally {
    clearTimeout(timer);
    control.destroy();
  }
}

class ChildWorkerd implements WorkerdProcess {
  readonly pid: number;
  readonly startTime: number;
  readonly logPosition: number;
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, exited: Promise<ProcessExit>, logPosition: number) {
    this.pid = child.pid ?? 0;
    this.startTime = processFacts(this.pid)?.startTime ?? 0;
    this.logPosition = logPosition;
    this.exited = exited;
    this.#child = child;
  }

  stop(graceMs: number): Promise<void> {
    return endWithin(graceMs, this.exited, (signal) => this.#child.kill(signal));
  }

  letGo(): void {
    this.#child.removeAllListeners("exit");
    this.#child.unref();
  }
}
