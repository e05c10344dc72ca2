import { closeSync, constants, linkSync, openSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";
import { libcFunction, SystemCallError } from "../sys/libc.js";

const fcntlCall = libcFunction("int fcntl(int fd, int command, unsigned long argument)");

const F_NOTIFY = 1026;
const DN_RENAME = 0x10;
const DN_MULTISHOT = 0x80000000;
const LINK = ".link";

/**
 * conmon starts a new file when one is full and lets go of the full one, so that at any moment almost nothing may be left to read. A second name
 * for the file keeps it: at most one full file per container stays beside the one being written.
 */
export const olderLog = (logFile: string) => `${logFile}.older`;

/** Call when conmon has begun a log. */
export function beginLog(logFile: string): void {
  try {
    linkSync(logFile, logFile + LINK);
  } catch (error) {
    if (!isErrno(error, "ENOENT") && !isErrno(error, "EEXIST")) throw error;
  }
}

/** Every file that belongs to a log, for removing it. */
export const logFiles = (logFile: string): string[] => [logFile, logFile + LINK, olderLog(logFile), `${logFile}.tmp`];

/** Which log a file in the directory belongs to. */
export const logOf = (name: string): string => name.replace(/\.(?:link|older|tmp)$/, "");

/** Keeps full log files, told by the kernel of each replacement and of nothing else: a watch for writes would wake the engine at every line. */
export class RotationWatch implements Disposable {
  readonly #directory: string;
  readonly #fd: number;
  readonly #look = () => this.#keepFull();

  constructor(directory: string) {
    this.#directory = directory;
    // Before asking for the signal: without a listener it would end the process, so one stays for good.
    process.off("SIGIO", ignoreSignal).on("SIGIO", ignoreSignal).on("SIGIO", this.#look);
    this.#fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    if (fcntlCall(this.#fd, F_NOTIFY, DN_RENAME + DN_MULTISHOT) !== 0) throw new SystemCallError("fcntl", "F_NOTIFY");
    this.#keepFull();
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
    process.off("SIGIO", this.#look);
  }

  #keepFull(): void {
    for (const name of readdirSync(this.#directory)) if (name.endsWith(LINK)) keepFull(join(this.#directory, name.slice(0, -LINK.length)));
  }
}

function keepFull(logFile: string): void {
  const current = inode(logFile);
  if (current === undefined || current === inode(logFile + LINK)) return;
  renameSync(logFile + LINK, olderLog(logFile));
  beginLog(logFile);
}

function inode(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

function ignoreSignal(): void {
  // A signal that comes while no log directory is watched means nothing.
}
