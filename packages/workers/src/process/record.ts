import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isErrno } from "@longshore/contract";
import type { NamedSocket } from "./listening-sockets.js";
import { processFacts } from "./proc.js";

/** What the next server must know to take over a running workerd. */
export interface ProcessRecord {
  readonly pid: number;
  readonly startTime: number;
  /** Identity of the configuration it runs; see `Release.id`. */
  readonly releaseId: string;
  readonly versionId: string;
  readonly configPath: string;
  readonly logPosition: number;
  /** Those that it serves besides the script's own. */
  readonly sockets: readonly NamedSocket[];
}

/** Replaces the record in one step. It need not reach the disk: no process outlives the machine. */
export function writeRecord(path: string, record: ProcessRecord): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** The record of a process that still runs: same id, same start time, same configuration on its command line. */
export function readLiveRecord(path: string): ProcessRecord | undefined {
  const record = readRecord(path);
  if (record === undefined) return undefined;
  const facts = processFacts(record.pid);
  if (facts === undefined || facts.zombie || facts.startTime !== record.startTime) return undefined;
  return facts.commandLine.includes(record.configPath) ? record : undefined;
}

export function removeRecord(path: string): void {
  rmSync(path, { force: true });
}

function readRecord(path: string): ProcessRecord | undefined {
  let source: string;
  try {
    source = readFileSync(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    // Not one that we finished writing: the process it meant is found by its command line.
    return undefined;
  }
  return isRecord(value) ? { ...value, sockets: value.sockets ?? [] } : undefined;
}

/** An older server's record has no sockets. */
function isRecord(value: unknown): value is Omit<ProcessRecord, "sockets"> & Partial<ProcessRecord> {
  if (typeof value !== "object" || value === null) return false;
  const { pid, startTime, releaseId, versionId, configPath, logPosition } = value as Record<string, unknown>;
  const numbers = [pid, startTime, logPosition].every((field) => typeof field === "number");
  return numbers && [releaseId, versionId, configPath].every((field) => typeof field === "string");
}
