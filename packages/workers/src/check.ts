import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { LongshoreError, type WorkerTarget } from "@longshore/contract";
import { exportsProbe, PROBE_FILE } from "./config/exports-probe.js";
import { SOCKET_NAME, workerConfig } from "./config/worker-config.js";
import { type LaunchOptions, launchWorkerd, StartFailure } from "./process/launch.js";
import { ListeningSocket } from "./process/listening-socket.js";
import { LogFile } from "./process/log-file.js";
import type { WorkerdProcess } from "./process/workerd-process.js";
import { type Owner, ownedDirectory, ownedFile, type ReadModule, writeConfig } from "./release.js";
import { startError } from "./supervisor/script-supervisor.js";

/** Begins the names of the temporary directories: no script's name begins with a dot. */
export const CHECK_PREFIX = ".check-";
/** A throwaway process has nothing to finish. */
const STOP_GRACE_MS = 0;
const PROBE_TIMEOUT_MS = 30_000;

export interface CheckOptions {
  /** Where the temporary directory is made. */
  readonly directory: string;
  readonly launch: Pick<LaunchOptions, "workerdPath" | "readyTimeoutMs" | "uid" | "gid">;
  readonly allowedNetworks: readonly string[];
  readonly readModule: ReadModule;
}

/**
 * Starts a target that passed `validateTarget` in a process of its own, with empty storage and an engine that is not there, and ends it again.
 * Errors: `INVALID_INPUT` with workerd's words, or naming the Durable Object class that the code does not export.
 */
export async function checkTarget(target: WorkerTarget, options: CheckOptions): Promise<{ startupMs: number }> {
  const owner: Owner = options.launch;
  const directory = await mkdtemp(join(options.directory, CHECK_PREFIX));
  try {
    await ownedDirectory(directory, 0o700, owner);
    const storageDirectory = join(directory, "objects");
    await ownedDirectory(storageDirectory, 0o700, owner);
    const harmless = target.engineSocket === undefined ? target : { ...target, engineSocket: join(directory, "no-engine.sock") };
    // Nothing is asked of a store while code is loaded, so none has to be there.
    const nowhere = join(directory, "no-storage.sock");
    // Its words about files are checked, and no file is needed for that.
    const assetsDirectory = join(directory, "assets");
    await ownedDirectory(assetsDirectory, 0o700, owner);
    const config = workerConfig(harmless, {
      runDirectory: options.directory,
      trial: true,
      storageDirectory,
      allowedNetworks: options.allowedNetworks,
      assetsDirectory,
      storageSocket: nowhere,
      objectsSocket: nowhere,
      queuesSocket: nowhere,
    });
    const configPath = await writeConfig(directory, config, options.readModule, owner);
    const began = performance.now();
    await using started = await throwaway(target.script, directory, configPath, options);
    const startupMs = performance.now() - began;
    await started[Symbol.asyncDispose]();

    const probe = target.namespaces.length === 0 ? undefined : exportsProbe(target, config.files);
    if (probe !== undefined) {
      await ownedFile(join(directory, PROBE_FILE), probe.source, owner);
      const probePath = join(directory, "probe.capnp");
      await ownedFile(probePath, probe.config, owner);
      await using probed = await throwaway(target.script, directory, probePath, options);
      requireClasses(target, await exportedNames(probed.socketPath));
    }
    return { startupMs };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A process that lives as long as the answer is not disposed of. Errors: as {@link checkTarget}. */
async function throwaway(
  script: string,
  directory: string,
  configPath: string,
  { launch }: CheckOptions,
): Promise<AsyncDisposable & { socketPath: string }> {
  const log = new LogFile(join(directory, "workerd.log"), Number.POSITIVE_INFINITY, () => undefined);
  const socketPath = join(directory, "http.sock");
  using socket = ListeningSocket.create(socketPath);
  let process: WorkerdProcess;
  try {
    process = await launchWorkerd({ ...launch, configPath, sockets: [{ name: SOCKET_NAME, path: socketPath, fd: socket.fd }], log });
  } catch (error) {
    throw error instanceof StartFailure ? startError(script, error, "checked before use") : error;
  }
  return { socketPath, [Symbol.asyncDispose]: () => process.stop(STOP_GRACE_MS) };
}

async function exportedNames(socketPath: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path: "/", agent: false, signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) }, (response) => {
      json(response).then(resolve, reject);
    }).on("error", reject);
  });
}

function requireClasses({ script, version, namespaces }: WorkerTarget, exported: unknown): void {
  if (!Array.isArray(exported)) return;
  const missing = namespaces.filter(({ className }) => !exported.includes(className)).map(({ className }) => className);
  if (missing.length === 0) return;
  const has = exported.length === 0 ? "nothing" : exported.join(", ");
  throw new LongshoreError(
    "INVALID_INPUT",
    `The Worker "${script}" does not export the Durable Object class ${missing.join(", ")}. Its main module ${version.mainModule} exports ${has}.`,
    { hint: "Export the class from the main module, or delete it with a deleted_classes migration." },
  );
}
