import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { lockDataDirectory } from "../installation/lock.js";
import { readPresence } from "../installation/presence.js";
import { copyTree, type Progress, packFile } from "./archive.js";
import { type Writers, whileFrozen, writersOf } from "./freeze.js";
import { sealIdentity } from "./keys.js";
import { type Manifest, SEALED_IDENTITY_FILE, writeManifest } from "./manifest.js";
import { type SnapshotFacts, takeSnapshot } from "./snapshot.js";

/** Begins the names of the directories that snapshots are taken in; what follows is the process that takes it. */
const SNAPSHOT_PREFIX = "backup.";

export interface BackupOptions {
  readonly data: string;
  /** A directory that is there, and empty: the backup becomes its content. Anything else: a file, which must not be there. */
  readonly target: string;
  /** Encrypts the installation's keys; without it they are in the backup as they are. */
  readonly passphrase?: string;
  readonly progress?: Progress;
}

export interface BackupFacts extends Manifest {
  readonly target: string;
  /** How long nothing was served, in milliseconds. 0: it did not run. */
  readonly frozenMs: number;
}

/**
 * A copy of everything that an installation was given, as of one moment, while it runs or while it does not.
 * Errors: `FORBIDDEN` unless root, `NOT_FOUND` when there is no installation, `CONFLICT` when something is in the way, `NO_SPACE`.
 */
export async function backup({ data, target, passphrase, progress = () => undefined }: BackupOptions): Promise<BackupFacts> {
  if (process.getuid?.() !== 0) throw new LongshoreError("FORBIDDEN", "Only root can read all that an installation keeps.");
  const identity = await readFile(join(data, "identity.json"), "utf8").catch((cause: unknown) => {
    if (!isErrno(cause, "ENOENT")) throw cause;
    throw new LongshoreError("NOT_FOUND", `There is no installation in ${data}.`, { cause, hint: "Name its directory with --data." });
  });
  const intoDirectory = await isUsableDirectory(target, data);
  await sweepSnapshots(data);
  const snapshot = await mkdtemp(join(data, `${SNAPSHOT_PREFIX}${process.pid}-`));
  try {
    const content = join(snapshot, "content");
    const { facts, frozenMs } = await snapshotOf(data, content);
    if (passphrase !== undefined) {
      await rm(join(content, "identity.json"));
      await writeFile(join(content, SEALED_IDENTITY_FILE), await sealIdentity(identity, passphrase), { mode: 0o600 });
    }
    const { accountId } = z.object({ accountId: z.string() }).parse(JSON.parse(identity));
    const manifest = {
      format: 1,
      createdAt: new Date().toISOString(),
      accountId,
      ...facts,
      encryptedKeys: passphrase !== undefined,
    } as const;
    await writeManifest(content, manifest);
    await (intoDirectory ? copyTree : packFile)(content, target, facts.bytes, progress);
    return { ...manifest, target, frozenMs };
  } finally {
    await rm(snapshot, { recursive: true, force: true });
  }
}

/** While it runs its writers stand still for that; while it does not run, it cannot be started. */
async function snapshotOf(data: string, content: string): Promise<{ facts: SnapshotFacts; frozenMs: number }> {
  const take = () => takeSnapshot(data, content);
  using lock = lockIfIdle(data);
  const writers = writersOf(data, lock.idle ? undefined : readPresence(data).pid);
  if (isAnyThere(writers)) return await whileFrozen(writers, take);
  return { facts: await take(), frozenMs: 0 };
}

function isAnyThere(writers: Writers): boolean {
  return writers.server.length > 0 || writers.workerds().length > 0;
}

function lockIfIdle(data: string): Disposable & { readonly idle: boolean } {
  try {
    const lock = lockDataDirectory(data);
    return { idle: true, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  } catch (error) {
    if (!(error instanceof LongshoreError) || error.code !== "CONFLICT") throw error;
    return { idle: false, [Symbol.dispose]: () => undefined };
  }
}

/** True when the backup is to be the content of a directory. Errors: `CONFLICT`, `NOT_FOUND`, `INVALID_INPUT`. */
async function isUsableDirectory(target: string, data: string): Promise<boolean> {
  const found = await statOf(target);
  if (`${resolve(target)}/`.startsWith(`${resolve(data)}/`))
    throw new LongshoreError("INVALID_INPUT", "A backup inside of the data directory would be lost with it.");
  if (found?.isDirectory() === true) {
    if ((await readdir(target)).length === 0) return true;
    throw new LongshoreError("CONFLICT", `The directory ${target} is not empty.`, {
      hint: "Name an empty one, or a file that is not there.",
    });
  }
  if (found !== undefined)
    throw new LongshoreError("CONFLICT", `${target} is there already.`, { hint: "Name another file, or remove it." });
  if (target.endsWith("/")) {
    await mkdir(target, { mode: 0o700 });
    return true;
  }
  if ((await statOf(dirname(resolve(target))))?.isDirectory() === true) return false;
  throw new LongshoreError("NOT_FOUND", `The directory ${dirname(resolve(target))} is not there.`);
}

async function statOf(path: string) {
  return await stat(path).catch((error: unknown) => {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  });
}

/** Removes what a backup that was killed has left. */
async function sweepSnapshots(data: string): Promise<void> {
  for (const name of await readdir(data)) {
    const pid = /^backup\.(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && (await statOf(`/proc/${pid}`)) === undefined) await rm(join(data, name), { recursive: true, force: true });
  }
}
