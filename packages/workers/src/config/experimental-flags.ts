import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError, type WorkerTarget, type WorkerVersion } from "@longshore/contract";
import { type LaunchOptions, launchWorkerd, StartFailure } from "../process/launch.js";
import { ListeningSocket } from "../process/listening-socket.js";
import { LogFile } from "../process/log-file.js";
import { ownedDirectory, ownedFile } from "../release.js";
import { configFile, list, struct, text } from "./capnp.js";
import { SOCKET_NAME } from "./worker-config.js";

export interface ExperimentalFlagsOptions {
  /** Where temporary directories are made, and how their names begin. */
  readonly directory: string;
  readonly prefix: string;
  readonly launch: Pick<LaunchOptions, "workerdPath" | "readyTimeoutMs" | "uid" | "gid">;
}

/** What workerd has of containers, such as snapshots of directories, is partly behind this flag: Workers that have containers may set it. */
const OF_CONTAINERS = "experimental";

/** The flags of a version that must not be experimental. */
export function flagsToCheck({ compatibilityFlags, containers }: Pick<WorkerVersion, "compatibilityFlags" | "containers">): string[] {
  return compatibilityFlags.filter((flag) => containers.length === 0 || flag !== OF_CONTAINERS);
}

/**
 * Every workerd here runs with `--experimental`, since its own modules count as that; so it would let applications have compatibility flags that
 * may change under them. Which those are only workerd knows: it is asked, once for each combination, by a start without the option.
 */
export class ExperimentalFlags {
  readonly #options: ExperimentalFlagsOptions;
  /** Combinations that were taken. */
  readonly #good = new Set<string>();

  constructor(options: ExperimentalFlagsOptions) {
    this.#options = options;
  }

  /** Errors: `UNSUPPORTED` naming the flags. What else is wrong with them is left to who starts the Worker. */
  async assertNone({ script, version }: WorkerTarget): Promise<void> {
    const { compatibilityDate: date } = version;
    const flags = flagsToCheck(version);
    const combination = JSON.stringify([date, flags]);
    if (flags.length === 0 || this.#good.has(combination)) return;
    if (await this.#starts(date, flags, true)) {
      this.#good.add(combination);
      return;
    }
    const experimental: string[] = [];
    for (const flag of flags) {
      if (!(await this.#starts(date, [flag], true)) && (await this.#starts(date, [flag], false))) experimental.push(flag);
    }
    if (experimental.length === 0) return;
    throw new LongshoreError(
      "UNSUPPORTED",
      `The Worker "${script}" has the compatibility ${experimental.length === 1 ? "flag" : "flags"} ${experimental.join(", ")}, which workerd calls experimental.`,
      { hint: "Take it out of compatibility_flags: what it does may change or go with any update." },
    );
  }

  async #starts(date: string, flags: readonly string[], stableOnly: boolean): Promise<boolean> {
    const { launch, prefix, directory: parent } = this.#options;
    const directory = await mkdtemp(join(parent, prefix));
    try {
      await ownedDirectory(directory, 0o700, launch);
      const configPath = join(directory, "config.capnp");
      await ownedFile(configPath, flagsConfig(date, flags), launch);
      const path = join(directory, "http.sock");
      using socket = ListeningSocket.create(path);
      const log = new LogFile(join(directory, "workerd.log"), Number.POSITIVE_INFINITY, () => undefined);
      const sockets = [{ name: SOCKET_NAME, path, fd: socket.fd }];
      const process = await launchWorkerd({ ...launch, configPath, sockets, log, ...(stableOnly ? { stableOnly } : {}) });
      await process.stop(0);
      return true;
    } catch (error) {
      if (error instanceof StartFailure && error.kind === "refused") return false;
      throw error;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

function flagsConfig(date: string, flags: readonly string[]): string {
  const worker = struct({
    modules: list([struct({ name: text("empty.js"), esModule: text("export default { fetch() {} };") })]),
    compatibilityDate: text(date),
    compatibilityFlags: list(flags.map(text)),
  });
  const services = list([struct({ name: text("flags"), worker })]);
  return configFile(struct({ services, sockets: list([struct({ name: text(SOCKET_NAME), service: text("flags"), http: struct({}) })]) }));
}
