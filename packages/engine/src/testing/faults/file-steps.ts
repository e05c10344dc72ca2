import fs, { constants } from "node:fs";
import { join } from "node:path";

type Callable = (...args: unknown[]) => unknown;
type Table = Record<string, Callable>;
type Step = (name: string) => void;

const PLAIN = ["appendFile", "chmod", "chown", "lchown", "copyFile", "link", "mkdtemp", "rename", "rmdir", "symlink", "truncate", "unlink"];
const SYNCHRONOUS_ONLY = ["ftruncate", "fsync", "fchmod", "fchown", "write"];
const OF_A_HANDLE = ["write", "writeFile", "truncate", "sync", "chmod", "appendFile"];
const CALLBACK = ["write", "writev", "rename", "unlink", "mkdir", "rmdir", "ftruncate", "fsync"];
const WRITING = constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;

/**
 * Makes every change of a file a step. Calls that are several changes at once (writing a whole file, removing or making a tree) are carried out one
 * change at a time, so that a process can be ended between them.
 */
export function patchFiles(step: Step): void {
  const synchronous = fs as unknown as Table;
  const promised = fs.promises as unknown as Table;
  for (const name of PLAIN) {
    count(synchronous, `${name}Sync`, name, step);
    count(promised, name, name, step);
  }
  for (const name of SYNCHRONOUS_ONLY) count(synchronous, `${name}Sync`, name, step);
  for (const name of CALLBACK) count(synchronous, name, name, step);
  for (const name of ["utimes", "utimesSync"]) count(synchronous, name, "utimes", step);
  patchMkdir(synchronous, promised, step);
  patchOpen(synchronous, promised, step);
  patchWriteFile();
  patchRemove();
}

function count(table: Table, key: string, name: string, step: Step): void {
  const original = table[key];
  if (original === undefined) return;
  table[key] = (...args) => {
    step(`${name} ${subject(args)}`);
    return original(...args);
  };
}

/** The last words of the paths among the arguments: enough to recognise a step in a report. */
function subject(args: readonly unknown[]): string {
  const paths = args.filter((value): value is string => typeof value === "string" && value.startsWith("/"));
  return paths.map((path) => path.split("/").slice(-2).join("/")).join(" → ");
}

/** A parent directory that has to be made is a step of its own. */
function patchMkdir(synchronous: Table, promised: Table, step: Step): void {
  const now = synchronous.mkdirSync as Callable;
  const later = promised.mkdir as Callable;
  const ancestors = (path: string): string[] => {
    const missing: string[] = [];
    for (let at = join(path, ".."); !fs.existsSync(at); at = join(at, "..")) missing.unshift(at);
    return missing;
  };
  const recursive = (options: unknown) => (options as { recursive?: boolean } | undefined)?.recursive === true;
  synchronous.mkdirSync = (...args) => {
    const [path, options] = args as [string, unknown];
    if (!recursive(options) || !fs.existsSync(path)) {
      for (const ancestor of recursive(options) ? ancestors(path) : []) {
        step(`mkdir ${subject([ancestor])}`);
        now(ancestor, options);
      }
      step(`mkdir ${subject([path])}`);
    }
    return now(...args);
  };
  promised.mkdir = async (...args) => {
    const [path, options] = args as [string, unknown];
    if (!recursive(options) || !fs.existsSync(path)) {
      for (const ancestor of recursive(options) ? ancestors(path) : []) {
        step(`mkdir ${subject([ancestor])}`);
        await later(ancestor, options);
      }
      step(`mkdir ${subject([path])}`);
    }
    return await later(...args);
  };
}

function patchOpen(synchronous: Table, promised: Table, step: Step): void {
  const now = synchronous.openSync as Callable;
  const withCallback = synchronous.open as Callable;
  const later = promised.open as Callable;
  synchronous.openSync = (...args) => {
    if (writes(args[1])) step(`open ${subject(args)}`);
    return now(...args);
  };
  synchronous.open = (...args) => {
    if (writes(args[1])) step(`open ${subject(args)}`);
    return withCallback(...args);
  };
  promised.open = async (...args) => {
    if (writes(args[1])) step(`open ${subject(args)}`);
    const handle = (await later(...args)) as Table;
    for (const name of OF_A_HANDLE) {
      const original = handle[name]?.bind(handle);
      if (original === undefined) continue;
      handle[name] = (...values) => {
        step(`${name} ${subject(args)}`);
        return original(...values);
      };
    }
    return handle;
  };
}

function writes(flags: unknown): boolean {
  if (typeof flags === "number") return (flags & WRITING) !== 0;
  return typeof flags === "string" && /[wa+]/.test(flags);
}

interface WriteOptions {
  readonly flag?: string;
  readonly mode?: number;
}

const writeOptions = (options: unknown): WriteOptions => (typeof options === "object" && options !== null ? (options as WriteOptions) : {});

/** False for files in which each write is a command to the kernel. */
function isStored(fd: number): boolean {
  return !/^\/(proc|sys)\//.test(fs.readlinkSync(`/proc/self/fd/${fd}`));
}

/** A file is made empty first, then filled, half and half. */
function patchWriteFile(): void {
  fs.writeFileSync = ((file: string | number, data: string | Uint8Array, options?: unknown) => {
    const { flag = "w", mode } = writeOptions(options);
    const fd = typeof file === "number" ? file : fs.openSync(file, flag, mode);
    try {
      const bytes = Buffer.from(data as string);
      const half = isStored(fd) ? Math.floor(bytes.length / 2) : 0;
      for (const part of [bytes.subarray(0, half), bytes.subarray(half)]) if (part.length > 0) fs.writeSync(fd, part);
    } finally {
      if (fd !== file) fs.closeSync(fd);
    }
  }) as typeof fs.writeFileSync;
  fs.promises.writeFile = (async (path: string, data: string | Uint8Array, options?: unknown) => {
    const { flag = "w", mode } = writeOptions(options);
    const handle = await fs.promises.open(path, flag, mode);
    try {
      await handle.writeFile(data);
    } finally {
      await handle.close();
    }
  }) as typeof fs.promises.writeFile;
}

/** A tree goes name by name. */
function patchRemove(): void {
  const removeSync = (path: string, options: fs.RmOptions = {}): void => {
    const status = fs.lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined && options.force === true) return;
    if (status?.isDirectory() !== true || options.recursive !== true) {
      fs.unlinkSync(path);
      return;
    }
    for (const name of fs.readdirSync(path)) removeSync(join(path, name), options);
    fs.rmdirSync(path);
  };
  fs.rmSync = removeSync as typeof fs.rmSync;
  fs.promises.rm = (async (path: string, options: fs.RmOptions = {}) => {
    const status = fs.lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined && options.force === true) return;
    try {
      if (status?.isDirectory() !== true || options.recursive !== true) {
        await fs.promises.unlink(path);
        return;
      }
      for (const name of fs.readdirSync(path)) await fs.promises.rm(join(path, name), options);
      await fs.promises.rmdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || options.force !== true) throw error;
    }
  }) as typeof fs.promises.rm;
}
