import { dirname, resolve } from "node:path";

const DATABASE = ".sqlite";
const LOG = "-wal";
/** A write of the log's first byte, or what cuts it to nothing. */
const BEGINS_ANEW = /^(?:pwrite64\(.*, 0(?:\) += |$)|ftruncate\([^,]*, 0\))/s;

/** A file or directory entry that was changed and is not known to be on disk. */
interface Inode {
  dirty: boolean;
}

/**
 * Follows what processes do to files, line by line as strace writes it, and says at each acknowledgement what a power cut could take: contents
 * that were written after the last fsync of the file, and names that were made after the last fsync of their directory. A database's own file may be
 * behind its write-ahead log, from which it is written at leisure; it must be synced before the log begins anew.
 */
export class SyncedWrites {
  readonly #files = new Map<string, Inode>();
  readonly #directories = new Set<string>();
  readonly #pending = new Map<string, string>();
  /** Databases whose log began anew while they were not synced. */
  readonly #overtaken = new Set<string>();
  readonly #known: Set<string>;
  readonly #lasts: (path: string) => boolean;

  /** `known`: the files that there are. `lasts` says which paths must outlive a power cut. */
  constructor(known: Iterable<string>, lasts: (path: string) => boolean) {
    this.#known = new Set(known);
    this.#lasts = lasts;
  }

  /** Everything that would be lost now. */
  get unsynced(): string[] {
    const files = [...this.#files]
      .filter(([path, { dirty }]) => dirty && this.#lasts(path) && !path.endsWith(DATABASE))
      .map(([path]) => `content of ${path}`);
    const overtaken = [...this.#overtaken].map((path) => `what ${path} had in its log`);
    return [...files, ...overtaken, ...[...this.#directories].map((path) => `names in ${path}`)];
  }

  /** One line: `<thread> <call>`. A call that strace shows in two parts counts when it has ended, but writes when they begin. Returns the whole call. */
  line(text: string): string | undefined {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/.exec(text) ?? [];
    const unfinished = / <unfinished \.\.\.>$/.exec(rest);
    if (unfinished !== null) {
      const begun = rest.slice(0, unfinished.index);
      this.#pending.set(thread, begun);
      if (/^(?:pwrite|write|pwritev|writev|ftruncate)/.test(begun)) this.#call(begun);
      return undefined;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(rest);
    const whole = resumed === null ? rest : `${this.#pending.get(thread) ?? ""}${resumed[1]}`;
    this.#pending.delete(thread);
    if (!/\) += -1 /.test(whole)) this.#call(whole);
    return whole;
  }

  #call(call: string): void {
    const [, name = "", args = ""] = /^(\w+)\((.*)$/s.exec(call) ?? [];
    const file = /^\d+<([^>]*)>/.exec(args)?.[1];
    switch (name) {
      case "write":
      case "writev":
      case "pwrite64":
      case "pwritev":
      case "ftruncate":
        if (file?.startsWith("/") !== true) return;
        this.#inode(file).dirty = true;
        if (file.endsWith(`${DATABASE}${LOG}`) && BEGINS_ANEW.test(call)) this.#logBegins(file.slice(0, -LOG.length));
        return;
      case "fsync":
      case "fdatasync":
        if (file === undefined) return;
        this.#inode(file).dirty = false;
        this.#directories.delete(file);
        return;
      case "open":
      case "openat":
      case "mkdir":
      case "mkdirat": {
        const [path] = paths(args);
        if (path === undefined || this.#known.has(path) || (name.startsWith("open") && !args.includes("O_CREAT"))) return;
        this.#known.add(path);
        this.#entry(path);
        return;
      }
      case "rename":
      case "renameat":
      case "renameat2":
      case "link":
      case "linkat": {
        const [from, to] = paths(args);
        if (from === undefined || to === undefined) return;
        this.#files.set(to, this.#inode(from));
        this.#known.add(to);
        if (name.startsWith("rename")) this.#files.delete(from);
        this.#entry(to);
        return;
      }
      case "unlink":
      case "unlinkat": {
        const [path] = paths(args);
        if (path !== undefined) this.#files.delete(path);
      }
    }
  }

  #logBegins(database: string): void {
    if (this.#inode(database).dirty) this.#overtaken.add(database);
  }

  #inode(path: string): Inode {
    const known = this.#files.get(path) ?? { dirty: false };
    this.#files.set(path, known);
    return known;
  }

  #entry(path: string): void {
    if (this.#lasts(path)) this.#directories.add(dirname(path));
  }
}

/** The paths among a call's arguments; relative ones are relative to the directory before them. */
function paths(args: string): string[] {
  const found: string[] = [];
  for (const [, base, path] of args.matchAll(/(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g)) {
    if (path !== undefined) found.push(resolve(base ?? "/", path));
  }
  return found;
}
