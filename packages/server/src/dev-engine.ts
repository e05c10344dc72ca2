import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LongshoreError } from "@longshore/contract";
import { engineAccess } from "./engine-access.js";
import { installationIdentity } from "./installation/identity.js";
import { lockDataDirectory } from "./installation/lock.js";
import { Supervised } from "./process/supervised.js";
import { runDirectory, type Settings } from "./settings.js";

/** An engine without a server, for one `longshore dev`. Disposing ends it, with its containers. */
export interface DevEngine extends AsyncDisposable {
  /** The unix socket that wrangler is told. */
  readonly dockerSocket: string;
  readonly logFile: string;
}

/** So many applications can be developed at once, each with an engine of its own. */
const MAX_ENGINES = 64;

/**
 * Starts an engine in the care of this process. Its data directory is the first below `<data>/dev` that no other has: it stays, with the images that are
 * unpacked there, for the next one. Nothing of it is an installation's: `<data>` may be one's, or become one's meanwhile. When this process is gone, the
 * engine ends its containers and itself. Errors: `FORBIDDEN` unless root; those of the engine.
 */
export async function startDevEngine(settings: Settings, notify: (message: string) => void): Promise<DevEngine> {
  if (process.getuid?.() !== 0) {
    throw new LongshoreError("FORBIDDEN", "Longshore makes namespaces, mounts and cgroups, which only root may.", {
      hint: 'Start it as root ("sudo longshore dev").',
    });
  }
  const { data, lock } = freeDirectory(settings.data);
  const run = runDirectory(data);
  const release = () => {
    rmSync(run, { recursive: true, force: true });
    lock[Symbol.dispose]();
  };
  try {
    for (const name of ["engine", "logs"]) mkdirSync(join(data, name), { recursive: true, mode: 0o700 });
    mkdirSync(run, { recursive: true, mode: 0o711 });
    const own = { ...settings, data };
    const logFile = join(data, "logs", "engine.log");
    const engine = new Supervised({
      name: "engine",
      program: join(dirname(fileURLToPath(import.meta.url)), "engine-main.js"),
      start: { settings: own, identity: await installationIdentity(data, own.uid), runDirectory: run, passing: true },
      logFile,
      notify,
    });
    await engine.ready();
    const stop = async () => {
      await engine.stop();
      release();
    };
    return { dockerSocket: engineAccess(data).dockerSocket, logFile, [Symbol.asyncDispose]: stop };
  } catch (error) {
    release();
    throw error;
  }
}

function freeDirectory(parent: string): { data: string; lock: Disposable } {
  for (let number = 1; number <= MAX_ENGINES; number++) {
    const data = join(parent, "dev", String(number));
    mkdirSync(data, { recursive: true });
    chmodSync(data, 0o711);
    try {
      return { data, lock: lockDataDirectory(data) };
    } catch (error) {
      if (!(error instanceof LongshoreError && error.code === "CONFLICT")) throw error;
    }
  }
  throw new LongshoreError("CONFLICT", `${MAX_ENGINES} engines for development run below ${join(parent, "dev")} already.`);
}
