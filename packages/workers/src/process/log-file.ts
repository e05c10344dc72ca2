import { closeSync, constants, copyFileSync, type FSWatcher, fstatSync, openSync, readSync, statSync, truncateSync, watch } from "node:fs";

/** Longest time, in milliseconds, that a log may grow before its size is looked at. */
const LOOK_EVERY_MS = 200;
const TAIL_BYTES = 16 * 1024;

/**
 * The file that a workerd writes its output to. A file, not a pipe: workerd goes on writing when the server dies. At `maxBytes` the file is copied to
 * `<path>.1` and emptied in place; lines written between the two are lost.
 */
export class LogFile {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #onProblem: (error: unknown) => void;
  #watcher: FSWatcher | undefined;
  #look: NodeJS.Timeout | undefined;

  /** `onProblem` hears why rotation did not work; a log that cannot be rotated is no reason to stop serving. */
  constructor(path: string, maxBytes: number, onProblem: (error: unknown) => void) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#onProblem = onProblem;
  }

  /** A descriptor for the output of a process; the caller closes it. Appending, so that emptying the file leaves no hole. */
  open(): number {
    return openSync(this.path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o640);
  }

  /** Where the next line will be written: give it to `linesSince` later. */
  position(): number {
    return statSync(this.path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The last `count` lines written after `position`, oldest first, without the address dumps that workerd adds to its own errors. */
  linesSince(position: number, count: number): string[] {
    let fd: number;
    try {
      fd = openSync(this.path, "r");
    } catch {
      // No log, no lines: this is only ever asked to explain another failure.
      return [];
    }
    try {
      const size = fstatSync(fd).size;
      const start = Math.max(size < position ? 0 : position, size - TAIL_BYTES);
      const buffer = Buffer.alloc(Math.max(0, size - start));
      const length = readSync(fd, buffer, 0, buffer.length, start);
      return buffer
        .toString("utf8", 0, length)
        .split("\n")
        .filter((line) => line.trim() !== "" && !isNoise(line))
        .slice(-count);
    } finally {
      closeSync(fd);
    }
  }

  /** Keeps the size in bounds from now on, also for writes by processes that were started earlier. */
  startRotation(): void {
    if (this.#watcher !== undefined) return;
    try {
      closeSync(this.open());
      this.#watcher = watch(this.path, { persistent: false }, () => {
        this.#look ??= setTimeout(() => this.#rotate(), LOOK_EVERY_MS).unref();
      });
      this.#watcher.on("error", this.#onProblem);
    } catch (error) {
      this.#onProblem(error);
    }
    this.#rotate();
  }

  stopRotation(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearTimeout(this.#look);
    this.#look = undefined;
  }

  #rotate(): void {
    this.#look = undefined;
    try {
      if (this.position() <= this.#maxBytes) return;
      copyFileSync(this.path, `${this.path}.1`);
      truncateSync(this.path);
    } catch (error) {
      this.#onProblem(error);
    }
  }
}

/** Addresses in workerd's own code, and warnings that follow from the failure that is to be explained. */
function isNoise(line: string): boolean {
  return line.startsWith("stack: ") || /^workerd\/\S+:\d+: warning: /.test(line);
}
