import { type FileHandle, mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";

export interface TemporaryFile {
  readonly path: string;
  readonly handle: FileHandle;
}

/**
 * Files that are being written and have no name in the bucket yet. Each carries who writes it (process id and that process's start time), so that
 * opening a bucket sweeps what dead processes left and spares what another living one is writing.
 */
export class TemporaryFiles {
  readonly #directory: string;
  readonly #owner: string;
  #count = 0;

  private constructor(directory: string, owner: string) {
    this.#directory = directory;
    this.#owner = owner;
  }

  /** Creates the directory if need be and sweeps it. */
  static async open(directory: string): Promise<TemporaryFiles> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const started = await startTime(process.pid);
    const files = new TemporaryFiles(directory, `${process.pid}-${started ?? "0"}-${process.hrtime.bigint()}`);
    for (const name of await readdir(directory)) {
      if (!(await ownerLives(name))) await rm(join(directory, name), { force: true });
    }
    return files;
  }

  /** A new empty file, open for writing. */
  async create(): Promise<TemporaryFile> {
    const path = join(this.#directory, `${this.#owner}-${++this.#count}`);
    return { path, handle: await open(path, "wx", 0o600) };
  }
}

async function ownerLives(name: string): Promise<boolean> {
  const [pid, started] = name.split("-");
  return started !== undefined && (await startTime(Number(pid))) === started;
}

/** When a process started, in clock ticks since boot; `undefined` when it is not running. A process id alone may have been given out again. */
async function startTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in brackets, which may hold anything; field 22 counts from behind it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}
