import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ExitReason, ExitRecord, InstanceStatus } from "@longshore/contract";
import type { OwnRun } from "../own/run.js";
import type { RestoreRequest } from "../snapshot/restore-request.js";
import type { ProcessIdentity } from "../sys/process.js";
import type { Terms } from "./terms.js";

/** What must be known of an instance after the engine was killed at any instruction. */
export interface InstanceRecord extends Terms {
  /** UUID of this life; also the name of its sandbox. */
  readonly id: string;
  /** The name that workerd calls it by. */
  readonly name: string;
  readonly tenant: string;
  readonly namespaceId: string;
  readonly durableObjectId: string;
  readonly applicationId: string;
  readonly version: number;
  readonly vcpu: number;
  readonly image: string;
  readonly imageDigest: string;
  readonly createdAt: string;
  /** Command and environment, as they were asked for; given to the sandbox at start. */
  readonly argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** What whoever made it wrote on it, to find it by. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly process: ProcessIdentity;
  /** The snapshots that it was started from. */
  readonly restored?: RestoreRequest;
  /** The number of its place in the outbound network. */
  readonly place?: number;
  /** How the machine's owner asked for it; absent: it is an application's. */
  own?: OwnRun;
  status: InstanceStatus;
  startedAt?: string;
  /** Why it was asked to stop, if it was. */
  stopReason?: ExitReason;
  /** When it is killed if it has not stopped by itself: ms since 1970. Set when it has been told to stop. */
  killAt?: number;
  exit?: ExitRecord;
}

/**
 * One file per instance, replaced by rename. There is no fsync: the records describe processes, which end with the machine, and a killed
 * engine loses nothing that the kernel has. Writing is synchronous and takes a tenth of a millisecond.
 */
export class RecordStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  write(record: InstanceRecord): void {
    const file = this.#file(record.id);
    const partial = `${file}.${randomUUID().slice(0, 8)}.partial`;
    writeFileSync(partial, JSON.stringify(record), { mode: 0o600 });
    renameSync(partial, file);
  }

  async remove(id: string): Promise<void> {
    await rm(this.#file(id), { force: true });
  }

  /** Every record; what a killed engine left half written is removed. */
  async readAll(): Promise<InstanceRecord[]> {
    const records: InstanceRecord[] = [];
    for (const name of await readdir(this.#directory)) {
      const file = join(this.#directory, name);
      if (name.endsWith(".partial")) await rm(file, { force: true });
      else if (name.endsWith(".json")) records.push(JSON.parse(readFileSync(file, "utf8")) as InstanceRecord);
    }
    return records;
  }

  #file(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}
