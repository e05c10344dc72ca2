import { rmSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { SOCKET_NAME } from "../config/worker-config.js";
import type { ScriptPlaces } from "../layout.js";
import { AdoptedWorkerd } from "../process/adopted.js";
import { type LaunchOptions, launchWorkerd, StartFailure } from "../process/launch.js";
import { ListeningSockets, type NamedSocket } from "../process/listening-sockets.js";
import type { LogFile } from "../process/log-file.js";
import { type ProcessRecord, removeRecord, writeRecord } from "../process/record.js";
import { describeExit, type ProcessExit, type WorkerdProcess } from "../process/workerd-process.js";
import type { Release } from "../release.js";
import { nextFailureCount, restartDelayMs } from "./backoff.js";
import { Serial } from "./serial.js";
import { type State, upstreamOf } from "./state.js";

export interface SupervisorOptions {
  readonly script: string;
  readonly places: ScriptPlaces;
  readonly logFile: LogFile;
  readonly launch: Pick<LaunchOptions, "workerdPath" | "readyTimeoutMs" | "uid" | "gid">;
  /** How long a workerd may take to end after SIGTERM, in milliseconds. */
  readonly stopGraceMs: number;
  /** Called before a running process is ended for a new version; disposed once the new one serves, or the old one again. */
  readonly beforeStop: (script: string) => Promise<AsyncDisposable>;
  readonly changed: () => void;
  readonly log: (message: string) => void;
}

/** Keeps one script's workerd running: at most one at a time, because two cannot share the Durable Objects' storage. */
export class ScriptSupervisor {
  readonly #options: SupervisorOptions;
  readonly #serial = new Serial();
  #state: State = { kind: "stopped" };
  /** None while an adopted process has their only descriptors. */
  readonly #sockets = new ListeningSockets();
  #restart: NodeJS.Timeout | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  upstream(): { socketPath: string } | { unavailable: string } | undefined {
    return upstreamOf(this.#state, this.#options.places.socket);
  }

  get releaseId(): string | undefined {
    return this.#state.kind === "running" || this.#state.kind === "restarting" ? this.#state.release.id : undefined;
  }

  /** Takes over a process that an earlier server started. Call it first. Throws a system error when it cannot be watched. */
  adopt({ pid, startTime, logPosition, releaseId, versionId, configPath, sockets }: ProcessRecord): void {
    const process = new AdoptedWorkerd(pid, startTime, logPosition, this.#options.places.lifeline);
    this.#options.logFile.startRotation();
    this.#watch(process, { id: releaseId, versionId, configPath, sockets }, 0);
  }

  /** Makes `release` the one that runs. Nothing happens if it already does. On failure the old one runs again, and it throws. */
  apply(release: Release): Promise<void> {
    return this.#serial.run(async () => {
      if (this.#state.kind === "running" && this.#state.release.id === release.id) return;
      clearTimeout(this.#restart);
      if (this.#state.kind !== "running") return this.#replace(release);
      await using _hold = await this.#options.beforeStop(this.#options.script);
      await this.#replace(release);
    });
  }

  /** Ends the process and forgets it. */
  stop(): Promise<void> {
    return this.#serial.run(async () => {
      const { places, logFile, stopGraceMs } = this.#options;
      clearTimeout(this.#restart);
      const state = this.#state;
      if (state.kind === "detached") return;
      this.#set({ kind: "stopped" });
      if (state.kind === "running") await state.process.stop(stopGraceMs);
      logFile.stopRotation();
      this.#sockets.remove();
      removeRecord(places.record);
      rmSync(places.socket, { force: true });
    });
  }

  /** Leaves the process to the next server, and lets this program end. */
  detach(): Promise<void> {
    return this.#serial.run(async () => {
      clearTimeout(this.#restart);
      const state = this.#state;
      this.#set({ kind: "detached" });
      this.#options.logFile.stopRotation();
      if (state.kind === "running") state.process.letGo();
      this.#sockets.letGo();
    });
  }

  async #replace(release: Release): Promise<void> {
    const old = this.#state;
    this.#set({ kind: "replacing" });
    if (old.kind === "running") await old.process.stop(this.#options.stopGraceMs);
    try {
      await this.#start(release, 0);
    } catch (error) {
      const failure = this.#explain(release, error);
      if (old.kind === "running" || old.kind === "restarting") await this.#goBack(old.release, old.failures);
      else this.#set({ kind: "failed", reason: failure.message });
      throw failure;
    }
  }

  async #goBack(release: Release, failures: number): Promise<void> {
    try {
      await this.#start(release, failures);
    } catch (error) {
      this.#failed(release, failures + 1, this.#explain(release, error).message);
    }
  }

  async #start(release: Release, failures: number): Promise<void> {
    const { places, logFile, launch } = this.#options;
    const process = await launchWorkerd({
      ...launch,
      configPath: release.configPath,
      sockets: this.#sockets.open(this.#socketsOf(release)),
      log: logFile,
      lifelinePath: places.lifeline,
    });
    this.#record(process, release);
    logFile.startRotation();
    this.#watch(process, release, failures);
  }

  /** For the next server. Where it cannot be written, the Worker serves all the same, and the next server ends the process and starts another. */
  #record({ pid, startTime, logPosition }: WorkerdProcess, { id, versionId, configPath, sockets = [] }: Release): void {
    const { places, script, log } = this.#options;
    try {
      writeRecord(places.record, { pid, startTime, logPosition, releaseId: id, versionId, configPath, sockets });
    } catch (error) {
      log(`The workerd ${pid} of the Worker "${script}" could not be put on record: ${String(error)}`);
    }
  }

  #watch(process: WorkerdProcess, release: Release, failures: number): void {
    this.#set({ kind: "running", release, process, since: Date.now(), failures });
    void process.exited.then((exit) => this.#ended(process, exit));
  }

  /** An exit nobody asked for. */
  #ended(process: WorkerdProcess, exit: ProcessExit): void {
    const state = this.#state;
    if (state.kind !== "running" || state.process !== process) return;
    const lines = this.#options.logFile.linesSince(process.logPosition, 5);
    const reason = `The Worker "${this.#options.script}" stopped: its workerd ${describeExit(exit)}.${quote(lines)}`;
    // An adopted process took its socket with it.
    try {
      this.#sockets.open(this.#socketsOf(state.release));
    } catch (error) {
      this.#options.log(`The socket of the Worker "${this.#options.script}" could not be made again: ${String(error)}`);
    }
    this.#failed(state.release, nextFailureCount(state.failures, Date.now() - state.since), reason);
  }

  #failed(release: Release, failures: number, reason: string): void {
    const delay = restartDelayMs(failures);
    this.#set({ kind: "restarting", release, failures, reason });
    this.#options.log(`${reason} It is started again ${delay === 0 ? "at once" : `in ${delay / 1000} s`}.`);
    this.#restart = setTimeout(() => {
      void this.#serial.run(() => this.#tryAgain());
    }, delay);
  }

  async #tryAgain(): Promise<void> {
    const state = this.#state;
    if (state.kind === "restarting") await this.#goBack(state.release, state.failures);
  }

  #explain(release: Release, error: unknown): LongshoreError {
    if (!(error instanceof StartFailure)) {
      return error instanceof LongshoreError
        ? error
        : new LongshoreError("INTERNAL", `The Worker "${this.#options.script}" could not be started.`, { cause: error });
    }
    return startError(this.#options.script, error, `version ${release.versionId}`);
  }

  #socketsOf({ sockets = [] }: Release): NamedSocket[] {
    return [{ name: SOCKET_NAME, path: this.#options.places.socket }, ...sockets];
  }

  #set(state: State): void {
    this.#state = state;
    this.#options.changed();
  }
}

/** Why a version does not run, with workerd's own words. */
export function startError(script: string, failure: StartFailure, what: string): LongshoreError {
  const message = `The Worker "${script}" (${what}) does not start. ${failure.message}${quote(failure.lines)}`;
  if (failure.kind === "refused" || failure.kind === "timeout") {
    return new LongshoreError("INVALID_INPUT", message, {
      cause: failure,
      hint: "Correct the code or its configuration, and deploy again.",
    });
  }
  return new LongshoreError("INTERNAL", message, { cause: failure, hint: "Check memory, disk space and permissions on this machine." });
}

function quote(lines: readonly string[]): string {
  return lines.length === 0 ? "" : ` Its last lines:\n${lines.join("\n")}`;
}
