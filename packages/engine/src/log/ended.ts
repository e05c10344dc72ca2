import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ExitRecord, isErrno } from "@longshore/contract";
import type { InstanceRecord } from "../instance/record.js";
import { logFiles, olderLog } from "./rotation.js";

/** What is remembered of an instance that is gone, beside its log. */
export interface EndedInstance {
  readonly id: string;
  readonly tenant: string;
  readonly applicationId: string;
  readonly durableObjectId: string;
  readonly startedAt: string;
  readonly exit?: ExitRecord;
}

/** As long as the public platform keeps logs on its free plan (spec 20); less when space runs out before. */
const KEEP_MS = 3 * 24 * 60 * 60_000;
const KEEP_BYTES = 512 * 1024 * 1024;

interface Kept {
  readonly instance: EndedInstance;
  readonly bytes: number;
  readonly since: number;
}

/** Logs of instances that are gone, for a bounded time and in a bounded space: the oldest go first. */
export class EndedLogs {
  readonly #directory: string;
  readonly #kept = new Map<string, Kept>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<EndedLogs> {
    const logs = new EndedLogs(directory);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) {
      if (!name.endsWith(".json")) continue;
      const instance = JSON.parse(await readFile(join(directory, name), "utf8")) as EndedInstance;
      const since = (await stat(join(directory, name))).mtimeMs;
      logs.#kept.set(instance.id, { instance, bytes: await bytesOf(logs.file(instance.id)), since });
    }
    await logs.#sweep();
    return logs;
  }

  /** Newest last. */
  instances(): EndedInstance[] {
    return [...this.#kept.values()].sort((a, b) => a.since - b.since).map(({ instance }) => instance);
  }

  file(id: string): string {
    return join(this.#directory, id);
  }

  /** Takes over the log of an instance that is being forgotten. One that wrote nothing is not kept. */
  async keep(record: InstanceRecord, logFile: string): Promise<void> {
    const { id, tenant, applicationId, durableObjectId, startedAt, exit } = record;
    const bytes = await bytesOf(logFile);
    if (startedAt === undefined || bytes === 0) return;
    const instance = { id, tenant, applicationId, durableObjectId, startedAt, ...(exit === undefined ? {} : { exit }) };
    // The description first: a log without one would never be found again.
    await writeFile(`${this.file(id)}.json`, JSON.stringify(instance), { mode: 0o600 });
    await renameIfThere(olderLog(logFile), olderLog(this.file(id)));
    await renameIfThere(logFile, this.file(id));
    this.#kept.set(id, { instance, bytes, since: Date.now() });
    await this.#sweep();
  }

  async #sweep(): Promise<void> {
    const entries = [...this.#kept].sort(([, a], [, b]) => a.since - b.since);
    let bytes = entries.reduce((sum, [, kept]) => sum + kept.bytes, 0);
    for (const [id, kept] of entries) {
      if (bytes <= KEEP_BYTES && kept.since > Date.now() - KEEP_MS) return;
      bytes -= kept.bytes;
      this.#kept.delete(id);
      for (const file of [...logFiles(this.file(id)), `${this.file(id)}.json`]) await rm(file, { force: true });
    }
  }
}

async function bytesOf(logFile: string): Promise<number> {
  const sizes = await Promise.all([logFile, olderLog(logFile)].map((file) => stat(file).then(({ size }) => size, absent)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch(absent);
}

function absent(error: unknown): number {
  if (isErrno(error, "ENOENT")) return 0;
  throw error;
}
