import { existsSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { BuildSettings } from "./settings.js";

/** The storage directory, made ready: everything that buildah reads and writes is in here, nothing of it in `/etc` or a home directory. */
export interface BuildRoot {
  readonly root: string;
  /** Images and layers, in the layout of containers/storage. */
  readonly storage: string;
  readonly runState: string;
  readonly driver: "overlay" | "vfs";
  readonly registriesConf: string;
  readonly policy: string;
  readonly storageConf: string;
  readonly containersConf: string;
  readonly authFile: string;
  /** An empty directory: it hides the machine's short-name aliases, and is buildah's home. */
  readonly empty: string;
  /** An empty directory: the root directory of a build is made there (`walls.ts`). */
  readonly inside: string;
  /** Remembers which compressed blobs a registry has, so that unchanged layers are neither compressed nor sent again. */
  readonly blobCache: string;
  /** One directory per running command, see `work-directory.ts`. */
  readonly work: string;
  /** Which digests were pushed where, see `push-record.ts`. */
  readonly pushed: string;
  readonly environment: Readonly<Record<string, string>>;
}

const OVERLAYFS_MAGIC = 0x794c7630;

/** Short names are Docker Hub's, as in Docker; a registry on this machine may speak plain HTTP. */
const REGISTRIES_CONF = `unqualified-search-registries = ["docker.io"]
short-name-mode = "disabled"

[[registry]]
location = "localhost"
insecure = true

[[registry]]
location = "127.0.0.1"
insecure = true
`;

/** Makes the directories and buildah's configuration files if they are not there. Errors: `FORBIDDEN` when the directory cannot be written. */
export async function openBuildRoot(settings: BuildSettings): Promise<BuildRoot> {
  const { root, environment } = settings;
  const etc = join(root, "etc");
  const layout = {
    root,
    storage: join(root, "storage"),
    runState: join(root, "run"),
    registriesConf: join(etc, "registries.conf"),
    policy: join(etc, "policy.json"),
    storageConf: join(etc, "storage.conf"),
    containersConf: join(etc, "containers.conf"),
    authFile: join(root, "auth.json"),
    empty: join(root, "empty"),
    inside: join(root, "inside"),
    blobCache: join(root, "blob-cache"),
    work: join(root, "work"),
    pushed: join(root, "pushed"),
    environment,
  };
  try {
    // 0700 keeps credentials and layers from other users; the directories above are not ours alone.
    await mkdir(dirname(root), { recursive: true });
    await mkdir(root, { recursive: true, mode: 0o700 });
    const directories = [etc, layout.storage, layout.runState, layout.empty, layout.inside, layout.blobCache, layout.work, layout.pushed];
    await Promise.all(directories.map((directory) => mkdir(directory, { recursive: true })));
    const { type } = await statfs(root);
    // The kernel refuses an overlay whose upper directory is itself on an overlay, as in most containers.
    const driver = type === OVERLAYFS_MAGIC ? "vfs" : "overlay";
    await Promise.all([
      writeIfDifferent(layout.registriesConf, REGISTRIES_CONF),
      writeIfDifferent(layout.policy, `${JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] })}\n`),
      writeIfDifferent(layout.storageConf, storageConf(driver, layout.storage, layout.runState)),
      writeIfDifferent(layout.containersConf, ""),
      // buildah refuses to start when the file it was pointed at is not there.
      existsSync(layout.authFile) ? undefined : createAtomically(layout.authFile, "{}\n"),
    ]);
    return { ...layout, driver };
  } catch (error) {
    if (!isErrno(error, "EACCES") && !isErrno(error, "EPERM") && !isErrno(error, "EROFS")) throw error;
    throw new LongshoreError("FORBIDDEN", `The build directory ${root} cannot be written.`, {
      cause: error,
      hint: "Run this as root, or set LONGSHORE_BUILD_ROOT to a directory that root owns.",
    });
  }
}

function storageConf(driver: string, graphRoot: string, runRoot: string): string {
  return `[storage]\ndriver = "${driver}"\ngraphroot = ${JSON.stringify(graphRoot)}\nrunroot = ${JSON.stringify(runRoot)}\n`;
}

async function writeIfDifferent(path: string, content: string): Promise<void> {
  try {
    if ((await readFile(path, "utf8")) === content) return;
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  await writeAtomically(path, content);
}

/** Replaces a small file in one step, so that no reader sees half of it. */
export async function writeAtomically(path: string, content: string): Promise<void> {
  await rename(await writeBeside(path, content), path);
}

/** Makes a small file in one step, unless somebody else was faster: theirs then stays. */
async function createAtomically(path: string, content: string): Promise<void> {
  const temporary = await writeBeside(path, content);
  try {
    await link(temporary, path);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  } finally {
    await rm(temporary);
  }
}

async function writeBeside(path: string, content: string): Promise<string> {
  const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}`;
  await writeFile(temporary, content, { mode: 0o600 });
  return temporary;
}
