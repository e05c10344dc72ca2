import { join } from "node:path";
import type { WorkerTarget } from "@longshore/contract";
import { writeAssets } from "./asset-files.js";
import { CRON_STORAGE } from "./config/cron-config.js";
import type { WorkerConfig } from "./config/worker-config.js";
import type { WorkerHostOptions } from "./host-options.js";
import { lastingDirectory } from "./lasting-directory.js";
import type { ScriptPlaces } from "./layout.js";
import type { LaunchOptions } from "./process/launch.js";
import { ownedDirectory, writeRelease } from "./release.js";

/** The release that is to run next. */
export interface NextRelease {
  readonly id: string;
  readonly config: WorkerConfig;
  /** Who workerd runs as. */
  readonly owner: Pick<LaunchOptions, "uid" | "gid">;
  readonly readModule: WorkerHostOptions["readModule"];
}

/** Puts on disk all that a script's workerd reads, and the directories that it writes to. */
export async function prepareFiles(
  target: WorkerTarget,
  places: ScriptPlaces,
  { id, config, owner, readModule }: NextRelease,
): Promise<void> {
  const { namespaces, crons = [] } = target;
  const { assets } = target.version;
  for (const directory of [places.runDirectory, places.releases]) await ownedDirectory(directory, 0o711, {});
  await lastingDirectory(places.dataDirectory, 0o711, {});
  await lastingDirectory(places.storage, 0o700, owner);
  const databases = [...namespaces.map((namespace) => namespace.id), ...(crons.length === 0 ? [] : [CRON_STORAGE])];
  for (const each of databases) await lastingDirectory(join(places.storage, each), 0o755, owner);
  if (assets !== undefined) await writeAssets(places.assets, assets, readModule, owner);
  await writeRelease(places.releases, id, config, readModule, owner);
}
