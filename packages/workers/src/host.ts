import { readdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Databases, KeyValues, Queues, ReadAccountSecret, TraceEvent, WorkerTarget } from "@longshore/contract";
import { assetsDirectory, pruneAssets } from "./asset-files.js";
import { CHECK_PREFIX, checkTarget } from "./check.js";
import { CRON_STORAGE } from "./config/cron-config.js";
import { ExperimentalFlags } from "./config/experimental-flags.js";
import { validateScriptName, validateTarget } from "./config/validate.js";
import { workerConfig } from "./config/worker-config.js";
import type { RunningWorkerHost, WorkerHostOptions } from "./host-options.js";
import { type ScriptPlaces, scriptPlaces } from "./layout.js";
import { prepareFiles } from "./prepare.js";
import { killStray } from "./process/adopted.js";
import type { LaunchOptions } from "./process/launch.js";
import { assertSocketPath } from "./process/listening-socket.js";
import { LogFile } from "./process/log-file.js";
import { workerdsWithArgument } from "./process/proc.js";
import { type ProcessRecord, readLiveRecord, removeRecord } from "./process/record.js";
import { QUEUES_NAME } from "./queues/queues-config.js";
import { ownedDirectory, pruneReleases, releaseId } from "./release.js";
import { SecretSource } from "./secrets/secret-source.js";
import { secretsSocket } from "./secrets/secrets-config.js";
import { Offers } from "./services/offers.js";
import { callsOf, entryId, entrySocket, SERVICES_DIRECTORY, type ServiceEntry } from "./services/service-calls.js";
import { SharedProcesses } from "./shared-processes.js";
import { ScriptSupervisor } from "./supervisor/script-supervisor.js";
import { sinkSocket } from "./traces/trace-config.js";
import { TraceSink } from "./traces/trace-sink.js";
import { Turns } from "./turns.js";
import { findWorkerd, workerdVersion } from "./workerd-binary.js";

/** Starts a host, and adopts the workerds that an earlier one left running. Errors: `INTERNAL` when workerd cannot be run, `INVALID_INPUT` for a run directory that is too long for sockets. */
export async function createWorkerHost(options: WorkerHostOptions): Promise<RunningWorkerHost> {
  const workerdPath = options.workerdPath ?? findWorkerd();
  const version = await workerdVersion(workerdPath);
  await ownedDirectory(options.dataDirectory, 0o711, {});
  await ownedDirectory(options.runDirectory, 0o711, {});
  await ownedDirectory(join(options.runDirectory, SERVICES_DIRECTORY), 0o711, {});
  for (const path of [sinkSocket(options.runDirectory), secretsSocket(options.runDirectory)]) assertSocketPath(path);
  const sink = await TraceSink.open(sinkSocket(options.runDirectory), options.log);
  const secrets = await SecretSource.open(secretsSocket(options.runDirectory), options.readSecret ?? noSecret, options.log);
  const host = new Host(options, workerdPath, version, sink, secrets);
  await host.adoptAll();
  return host;
}

const noSecret: ReadAccountSecret = async () => undefined;
const DEFAULTS = { stopGraceMs: 1000, maxLogBytes: 8 * 1024 * 1024 };

class Host implements RunningWorkerHost {
  readonly #options: WorkerHostOptions;
  readonly #version: string;
  readonly #launch: Pick<LaunchOptions, "workerdPath" | "readyTimeoutMs" | "uid" | "gid">;
  readonly #scripts = new Map<string, ScriptSupervisor>();
  readonly #turns = new Turns();
  readonly #shared: SharedProcesses;
  readonly #experimental: ExperimentalFlags;
  readonly #offers: Offers;
  readonly #sink: TraceSink;
  readonly #secrets: SecretSource;
  /** What runs, or should. */
  readonly #targets = new Map<string, WorkerTarget>();
  readonly #listeners = new Set<(script: string) => void>();

  constructor(options: WorkerHostOptions, workerdPath: string, version: string, sink: TraceSink, secrets: SecretSource) {
    this.#sink = sink;
    this.#secrets = secrets;
    const { uid, gid, readyTimeoutMs = 30_000 } = options;
    this.#options = options;
    this.#version = version;
    this.#offers = new Offers(options.runDirectory);
    this.#launch = { workerdPath, readyTimeoutMs, ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
    const { stopGraceMs = DEFAULTS.stopGraceMs, maxLogBytes = DEFAULTS.maxLogBytes, log } = options;
    this.#experimental = new ExperimentalFlags({ directory: options.runDirectory, prefix: CHECK_PREFIX, launch: this.#launch });
    this.#shared = new SharedProcesses({
      runDirectory: options.runDirectory,
      places: (name) => this.#places(name),
      launch: this.#launch,
      workerdVersion: version,
      stopGraceMs,
      maxLogBytes,
      log,
      offer: (entries) => this.#setCalls(QUEUES_NAME, entries),
    });
  }

  get keyValues(): KeyValues {
    return this.#shared.keyValues;
  }

  get databases(): Databases {
    return this.#shared.databases;
  }

  get queues(): Queues {
    return this.#shared.queues;
  }

  async check(target: WorkerTarget): Promise<{ startupMs: number }> {
    validateTarget(target, this.#version);
    await this.#experimental.assertNone(target);
    const { runDirectory, readModule } = this.#options;
    return checkTarget(target, { directory: runDirectory, launch: this.#launch, allowedNetworks: this.#networks, readModule });
  }

  async apply(target: WorkerTarget): Promise<void> {
    validateTarget(target, this.#version);
    const { script } = target;
    const before = this.#offers.calls(script);
    const after = callsOf(target);
    // What it is about to call must be there before it runs; what it called stays until it has ended.
    await this.#setCalls(script, [...before, ...after]);
    let calls: readonly ServiceEntry[] = before;
    try {
      await this.#turns.take(script, async () => {
        await this.#apply(target);
        this.#targets.set(script, target);
      });
      calls = after;
    } finally {
      await this.#setCalls(script, calls);
    }
  }

  async remove(script: string, { deleteData }: { deleteData: boolean }): Promise<void> {
    validateScriptName(script);
    const places = this.#places(script);
    await this.#turns.take(script, async () => {
      await this.#scripts.get(script)?.stop();
      this.#scripts.delete(script);
      await rm(places.runDirectory, { recursive: true, force: true });
      if (deleteData) await rm(places.dataDirectory, { recursive: true, force: true });
      this.#targets.delete(script);
    });
    await this.#setCalls(script, []);
  }

  async retain(scripts: Iterable<string>): Promise<void> {
    const wanted = new Set(scripts);
    const unwanted = [...this.#scripts.keys()].filter((script) => !wanted.has(script));
    await Promise.all(unwanted.map((script) => this.remove(script, { deleteData: false })));
  }

  upstream(script: string): { socketPath: string } | { unavailable: string } | undefined {
    return this.#scripts.get(script)?.upstream();
  }

  onChange(listener: (script: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  traces(script: string, listener: (event: TraceEvent) => void): Promise<Disposable> {
    return this.#sink.listen(script, listener);
  }

  logPath(script: string): string {
    return this.#places(script).log;
  }

  async close(): Promise<void> {
    this.#turns.close();
    await this.#shared.stopDelivering();
    await this.#turns.last(this.#scripts.keys(), async (script) => this.#scripts.get(script)?.stop());
    this.#sink.close();
    this.#secrets.close();
    await this.#shared.stop();
  }

  async detach(): Promise<void> {
    this.#turns.close();
    await this.#turns.last(this.#scripts.keys(), async (script) => this.#scripts.get(script)?.detach());
    this.#sink.close();
    this.#secrets.close();
    await this.#shared.detach();
  }

  /** Finds what an earlier host left: processes on record are adopted, other workerds of these directories are ended, their remains removed. */
  async adoptAll(): Promise<void> {
    const { runDirectory, log } = this.#options;
    const adopted = new Set<number>();
    for (const entry of readdirSync(runDirectory, { withFileTypes: true })) {
      const places = this.#places(entry.name);
      const record = readLiveRecord(places.record);
      if (record !== undefined && this.#adopt(entry.name, places, record)) adopted.add(record.pid);
      else removeRecord(places.record);
      if (entry.name.startsWith(CHECK_PREFIX)) rmSync(places.runDirectory, { recursive: true, force: true });
    }
    for (const { pid, startTime } of workerdsWithArgument(join(runDirectory, "/"))) {
      if (adopted.has(pid) || pid === process.pid) continue;
      log(`Ending workerd ${pid}, which an earlier server started and did not record.`);
      await killStray(pid, startTime);
    }
  }

  async #apply(target: WorkerTarget): Promise<void> {
    const places = this.#places(target.script);
    const { assets } = target.version;
    const { runDirectory, objectsSocket, readModule } = this.#options;
    // Files alone have no handler: what is in the queue waits for code.
    const offers = this.#offers.of(target.script).filter(({ queues }) => !queues || target.version.modules.length > 0);
    const config = workerConfig(target, {
      runDirectory,
      offers,
      storageDirectory: places.storage,
      ...this.#shared.sockets,
      ...(objectsSocket === undefined ? {} : { objectsSocket }),
      allowedNetworks: this.#networks,
      ...(assets === undefined ? {} : { assetsDirectory: assetsDirectory(places.assets, assets) }),
    });
    await this.#shared.startFor(target);
    const id = releaseId(target, config, this.#version);
    const supervisor = this.#supervisor(target.script, places);
    const sockets = offers.map((entry) => ({ name: entryId(entry), path: entrySocket(runDirectory, entry) }));
    const release = { id, versionId: target.version.id, configPath: join(places.releases, id, "config.capnp"), sockets };
    if (supervisor.releaseId !== id) await prepareFiles(target, places, { id, config, owner: this.#launch, readModule });
    try {
      await supervisor.apply(release);
      await pruneAssets(places.assets, assets);
      // Triggers that come back later must not make up for runs of today.
      if ((target.crons ?? []).length === 0) await rm(join(places.storage, CRON_STORAGE), { recursive: true, force: true });
    } finally {
      await pruneReleases(places.releases, supervisor.releaseId);
    }
  }

  /** Changes what a script calls, and has the called scripts offer just that. */
  async #setCalls(caller: string, calls: readonly ServiceEntry[]): Promise<void> {
    const changed = this.#offers.set(caller, calls).filter((script) => script !== caller);
    await Promise.all(
      changed.map((script) =>
        this.#turns.take(script, async () => {
          const target = this.#targets.get(script);
          if (target !== undefined) await this.#apply(target);
        }),
      ),
    );
  }

  #adopt(script: string, places: ScriptPlaces, record: ProcessRecord): boolean {
    try {
      if (!this.#shared.adopt(script, record)) this.#supervisor(script, places).adopt(record);
      this.#options.log(`The Worker "${script}" still runs (workerd ${record.pid}); taken over as it is.`);
      return true;
    } catch (error) {
      this.#scripts.delete(script);
      this.#options.log(`The workerd ${record.pid} of the Worker "${script}" cannot be watched, so it is ended: ${String(error)}`);
      return false;
    }
  }

  #supervisor(script: string, places: ScriptPlaces): ScriptSupervisor {
    const existing = this.#scripts.get(script);
    if (existing !== undefined) return existing;
    const { stopGraceMs = DEFAULTS.stopGraceMs, maxLogBytes = DEFAULTS.maxLogBytes, beforeStop, log } = this.#options;
    const logFile = new LogFile(places.log, maxLogBytes, (error) =>
      log(`The log of the Worker "${script}" is not rotated: ${String(error)}`),
    );
    const changed = () => {
      for (const listener of this.#listeners) listener(script);
    };
    const stopping = () =>
      beforeStop(
        script,
        this.#offers.callers(script).filter((caller) => caller !== QUEUES_NAME),
      );
    const supervisor = new ScriptSupervisor({
      script,
      places,
      logFile,
      launch: this.#launch,
      stopGraceMs,
      beforeStop: stopping,
      changed,
      log,
    });
    this.#scripts.set(script, supervisor);
    return supervisor;
  }

  #places(script: string): ScriptPlaces {
    return scriptPlaces(this.#options.dataDirectory, this.#options.runDirectory, script);
  }

  get #networks(): readonly string[] {
    return this.#options.allowedNetworks ?? ["public"];
  }
}
