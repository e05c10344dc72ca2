import { closeSync, openSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ExitReason, type ExitRecord, type InstanceStatus, openText, sealText } from "@longshore/contract";
import type { OwnRun } from "../own/run.js";
import type { RestoreRequest } from "../snapshot/restore-request.js";
import { readLastLine, writeLastLine } from "../sys/last-line.js";
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
  /** Of its instance type; absent in the record of an engine that did not count them. */
  readonly memoryMib?: number;
  readonly diskMb?: number;
  readonly image: string;
  readonly imageDigest: string;
  readonly createdAt: string;
  /** Command and environment, as they were asked for; given to the sandbox at start. */
  readonly argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** The program's file in the container, where it is one that the kernel runs. */
  readonly executable?: string;
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

/** A record as it rests. */
type KeptRecord = Omit<InstanceRecord, "environment"> & { readonly sealedEnvironment: string };

/**
 * One file per instance, whose last line is its record (sys/last-line.ts). There is no fsync: the records describe processes, which end with the
 * machine, and a killed engine loses nothing that the kernel has.
 */
export class RecordStore {
  readonly #directory: string;
  readonly #key: Uint8Array;
  /** By the environment itself: nobody changes one, but replaces it. */
  readonly #sealedEnvironments = new WeakMap<InstanceRecord["environment"], { readonly id: string; readonly text: string }>();

  /** `key`, 32 bytes, encrypts what may hold secrets: the environments. */
  constructor(directory: string, key: Uint8Array) {
    this.#directory = directory;
    this.#key = key;
  }

  /** Makes the file of an instance that may come to be: to make one takes longer than all that is written into it later. */
  prepare(id: string): void {
    closeSync(openSync(this.#file(id), "a", 0o600));
  }

  write(record: InstanceRecord): void {
    const { environment, ...rest } = record;
    writeLastLine(this.#file(record.id), { ...rest, sealedEnvironment: this.#sealed(record) } satisfies KeptRecord);
  }

  async remove(id: string): Promise<void> {
    await rm(this.#file(id), { force: true });
  }

  /** Every record; files of instances that never came to be are removed. */
  async readAll(): Promise<InstanceRecord[]> {
    const records: InstanceRecord[] = [];
    for (const name of await readdir(this.#directory)) {
      const file = join(this.#directory, name);
      const kept = name.endsWith(".json") ? (readLastLine(file) as KeptRecord | undefined) : undefined;
      if (kept === undefined) await rm(file, { force: true });
      else records.push(this.#opened(kept));
    }
    return records;
  }

  /** An environment as it rests. It is the same in nearly every record of an instance, and sealed once. */
  #sealed({ id, environment }: InstanceRecord): string {
    const known = this.#sealedEnvironments.get(environment);
    if (known?.id === id) return known.text;
    const text = sealText(this.#key, [id], JSON.stringify(environment));
    this.#sealedEnvironments.set(environment, { id, text });
    return text;
  }

  /** What another key has sealed cannot be known; its container can still be taken back, or reported as ended. */
  #opened({ sealedEnvironment, ...rest }: KeptRecord): InstanceRecord {
    try {
      return { ...rest, environment: JSON.parse(openText(this.#key, [rest.id], sealedEnvironment)) as Record<string, string> };
    } catch {
      return { ...rest, environment: {} };
    }
  }

  #file(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}
