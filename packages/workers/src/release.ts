import { createHash } from "node:crypto";
import { chmod, chown, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError, type WorkerModule, type WorkerTarget } from "@longshore/contract";
import type { WorkerConfig } from "./config/worker-config.js";
import type { NamedSocket } from "./process/listening-sockets.js";

/** A configuration with its modules, written out: all that is needed to start a workerd, again and again, without the bucket. */
export interface Release {
  /** The same for the same version, configuration and workerd: what runs with this id need not be replaced. */
  readonly id: string;
  readonly versionId: string;
  readonly configPath: string;
  /** Sockets that the process serves besides the script's own. */
  readonly sockets?: readonly NamedSocket[];
}

/** Who must be able to read what is written; undefined where all is the same user. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

export type ReadModule = (key: string) => Promise<Buffer>;

export function releaseId(target: WorkerTarget, config: WorkerConfig, workerdVersion: string): string {
  const modules = config.files.map(({ module }) => [module.name, module.kind, module.key, module.size]);
  return createHash("sha256")
    .update(JSON.stringify([workerdVersion, target.version.id, modules, config.text]))
    .digest("hex")
    .slice(0, 32);
}

/** Writes the release under `directory`, complete or not at all. Only its owner can read it: the configuration holds secrets. */
export async function writeRelease(
  directory: string,
  id: string,
  config: WorkerConfig,
  readModule: ReadModule,
  owner: Owner,
): Promise<void> {
  const place = join(directory, id);
  const draft = `${place}.new`;
  await rm(draft, { recursive: true, force: true });
  await ownedDirectory(draft, 0o700, owner);
  await writeConfig(draft, config, readModule, owner);
  // One that was written before is complete and the same; its process may still read it, so it stays.
  await rename(draft, place).catch(async (error: unknown) => {
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(directory, id))) throw error;
  });
}

/** Writes `config.capnp` and the module files into an existing directory. Returns the configuration's path. */
export async function writeConfig(directory: string, config: WorkerConfig, readModule: ReadModule, owner: Owner): Promise<string> {
  for (const { file, module } of config.files) await ownedFile(join(directory, file), await moduleBytes(module, readModule), owner);
  const configPath = join(directory, "config.capnp");
  await ownedFile(configPath, config.text, owner);
  return configPath;
}

/** Removes all releases but this one. */
export async function pruneReleases(directory: string, keep: string | undefined): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name !== keep) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/** Makes a directory with exactly this mode and owner; one that exists is only changed. */
export async function ownedDirectory(path: string, mode: number, owner: Owner): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  await chmod(path, mode);
  await own(path, owner);
}

export async function ownedFile(path: string, content: string | Buffer, owner: Owner): Promise<void> {
  await writeFile(path, content, { mode: 0o400 });
  await own(path, owner);
}

async function own(path: string, { uid, gid }: Owner): Promise<void> {
  if (uid !== undefined || gid !== undefined) await chown(path, uid ?? -1, gid ?? -1);
}

async function exists(directory: string, name: string): Promise<boolean> {
  return (await readdir(directory)).includes(name);
}

async function moduleBytes(module: WorkerModule, readModule: ReadModule): Promise<Buffer> {
  const bytes = await readModule(module.key);
  if (bytes.length === module.size) return bytes;
  throw new LongshoreError("INTERNAL", `The stored module ${JSON.stringify(module.name)} has ${bytes.length} bytes, not ${module.size}.`, {
    hint: "Deploy the Worker again.",
    details: { key: module.key },
  });
}
