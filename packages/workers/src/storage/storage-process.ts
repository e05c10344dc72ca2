import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { LongshoreError } from "@longshore/contract";
import { lastingDirectory } from "../lasting-directory.js";
import type { ScriptPlaces } from "../layout.js";
import type { LaunchOptions } from "../process/launch.js";
import { LogFile } from "../process/log-file.js";
import type { ProcessRecord } from "../process/record.js";
import { ownedDirectory, ownedFile } from "../release.js";
import { ScriptSupervisor } from "../supervisor/script-supervisor.js";
import { Serial } from "../supervisor/serial.js";
import { COMMAND_HEADER, STORE_HEADER } from "./storage-config.js";

/** Longer than any single request to a store should take. */
const REQUEST_DEADLINE_MS = 120_000;
const LISTENING_DEADLINE_MS = 30_000;
const LISTENING_INTERVAL_MS = 20;
const AGAIN: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOENT"]);

/** What runs in such a process. */
export interface StorageProgram {
  /** Its directory beside the scripts': no script's name begins with a dot. */
  readonly name: string;
  /** For messages: `KV and D1`. */
  readonly what: string;
  /** The compiled source of its Worker, and its name beside the configuration. */
  readonly worker: string;
  readonly workerFile: string;
  /** The directories of its data. */
  readonly keys: readonly string[];
  /** Its configuration as it should be now, with its data below this directory. */
  config(storageDirectory: string): string;
}

export interface StorageProcessOptions {
  readonly program: StorageProgram;
  readonly places: ScriptPlaces;
  readonly launch: Pick<LaunchOptions, "workerdPath" | "readyTimeoutMs" | "uid" | "gid">;
  readonly workerdVersion: string;
  readonly stopGraceMs: number;
  readonly maxLogBytes: number;
  readonly log: (message: string) => void;
}

export interface StoreRequest {
  readonly store: { readonly kind: "kv" | "d1" | "queue"; readonly id: string };
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** What only the server asks. */
  readonly command?: "destroy" | "shards" | "wake" | "purge" | "facts";
}

export interface StoreAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

/**
 * A workerd that holds data of all applications: every KV namespace and D1 database, or every queue. It is started when something first needs it, started again when it ends, outlives
 * the server, and is taken over by the next one. One process for all, because what it holds may be bound by many.
 */
export class StorageProcess {
  readonly #options: StorageProcessOptions;
  readonly #supervisor: ScriptSupervisor;
  readonly #starts = new Serial();
  #ending = false;
  #known: { readonly config: string; readonly id: string } | undefined;

  constructor(options: StorageProcessOptions) {
    const { places, stopGraceMs, maxLogBytes, log, program } = options;
    this.#options = options;
    this.#supervisor = new ScriptSupervisor({
      script: program.name,
      places,
      logFile: new LogFile(places.log, maxLogBytes, (error) => log(`The log of ${program.what} is not rotated: ${String(error)}`)),
      launch: options.launch,
      stopGraceMs,
      beforeStop: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
      changed: () => undefined,
      log,
    });
  }

  /** The unix socket that applications' workerds connect to. */
  get socketPath(): string {
    return this.#options.places.socket;
  }

  /** Whether it runs, in whichever configuration. */
  get isStarted(): boolean {
    return this.#supervisor.releaseId !== undefined;
  }

  /** Takes over a process that an earlier server started. Throws when it cannot be watched. */
  adopt(record: ProcessRecord): void {
    this.#supervisor.adopt(record);
  }

  /**
   * Resolves when the process serves as its configuration now says; at once if it does.
   * Errors: `INTERNAL` when it cannot be started, `UNAVAILABLE` when it has been stopped or detached.
   */
  start(): Promise<void> {
    return this.#starts.run(async () => {
      if (this.#ending) throw new LongshoreError("UNAVAILABLE", "Longshore is shutting down.", { hint: "Try again once it runs." });
      const { places, launch, program } = this.#options;
      const config = program.config(places.storage);
      if (this.#known?.config !== config) this.#known = { config, id: await this.#releaseId(config) };
      const { id } = this.#known;
      const configPath = join(places.releases, id, "config.capnp");
      if (this.#supervisor.releaseId !== id) {
        for (const directory of [places.runDirectory, places.releases]) await ownedDirectory(directory, 0o711, {});
        await lastingDirectory(places.dataDirectory, 0o711, {});
        await lastingDirectory(places.storage, 0o700, launch);
        for (const key of program.keys) await lastingDirectory(join(places.storage, key), 0o755, launch);
        await ownedDirectory(join(places.releases, id), 0o700, launch);
        await rm(configPath, { force: true });
        const worker = join(places.releases, id, program.workerFile);
        await rm(worker, { force: true });
        await ownedFile(worker, await readFile(program.worker), launch);
        await ownedFile(configPath, config, launch);
      }
      await this.#supervisor.apply({ id, versionId: id, configPath });
    });
  }

  /**
   * An adopted process took the only descriptor of its socket with it when it ended, so until its end has been seen nobody listens. A refused
   * connection has carried nothing, so asking again is safe; a broken one may have been acted on, which for all but POST is as good.
   */
  async #untilAnswered(method: string, ask: () => Promise<StoreAnswer>): Promise<StoreAnswer> {
    const deadline = performance.now() + LISTENING_DEADLINE_MS;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const again = AGAIN.has(errno(error)) || (method !== "POST" && errno(error) === "ECONNRESET");
        if (!again || performance.now() > deadline) throw this.#notReached(error);
        await setTimeout(LISTENING_INTERVAL_MS);
      }
    }
  }

  #notReached(cause: unknown): LongshoreError {
    const { what, name } = this.#options.program;
    return new LongshoreError("UNAVAILABLE", `${what} could not be reached: their workerd did not answer.`, {
      cause,
      hint: `Try again; if it goes on, look at workers/${name}/workerd.log in the data directory.`,
    });
  }

  /** The same for the same workerd, configuration and Worker: what runs with this id need not be replaced. */
  async #releaseId(config: string): Promise<string> {
    const { workerdVersion, program } = this.#options;
    const hash = createHash("sha256").update(JSON.stringify([workerdVersion, config]));
    return hash
      .update(await readFile(program.worker))
      .digest("hex")
      .slice(0, 32);
  }

  /** Ends the process for good: what is asked of it from now on does not start it again. */
  stop(): Promise<void> {
    this.#ending = true;
    return this.#starts.run(() => this.#supervisor.stop());
  }

  /** Leaves the process to the next server. */
  detach(): Promise<void> {
    this.#ending = true;
    return this.#starts.run(() => this.#supervisor.detach());
  }

  /** One request to a store, in the protocol of workerd's bindings. Errors: `UNAVAILABLE`, `NOT_FOUND` for a store that was destroyed. */
  async request({ store, method, path, headers = {}, body, command }: StoreRequest): Promise<StoreAnswer> {
    await this.start();
    const all = { host: "storage", [STORE_HEADER]: `${store.kind}/${store.id}`, ...headers };
    const complete = { ...all, ...(command ? { [COMMAND_HEADER]: command } : {}) };
    const answer = await this.#untilAnswered(method, () => exchange(this.socketPath, method, path, complete, body));
    if (answer.status !== 403) return answer;
    throw new LongshoreError("NOT_FOUND", answer.statusText);
  }
}

function errno(error: unknown): string {
  return error instanceof Error ? String((error as NodeJS.ErrnoException).code) : "";
}

function exchange(
  socketPath: string,
  method: string,
  path: string,
  headers: Record<string, string>,
  body: string | Uint8Array | undefined,
): Promise<StoreAnswer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(REQUEST_DEADLINE_MS);
    const outgoing = request({ socketPath, method, path, headers, agent: false, signal }, (response) => {
      buffer(response).then((bytes) => {
        const { statusCode = 0, statusMessage = "" } = response;
        resolve({ status: statusCode, statusText: statusMessage, headers: response.headers, body: bytes });
      }, reject);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
