import { closeSync, lstatSync, openSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { isErrno } from "@longshore/contract";

const MAX_LINKS = 40;

/**
 * A path inside a root directory with symbolic links resolved as the container would see them: an absolute link starts at the root, and `..`
 * stops there. Returns `undefined` when nothing is there. The tree is untrusted, so the host's own resolution must never be used.
 */
export function resolveInRoot(root: string, path: string): string | undefined {
  const pending = path.split("/").filter((part) => part !== "");
  const done: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const part = pending.shift();
    if (part === undefined || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const here = [root, ...done, part].join("/");
    const target = linkTarget(here);
    if (target === "missing") return undefined;
    if (target === undefined) {
      done.push(part);
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    if (target.startsWith("/")) done.length = 0;
    pending.unshift(...target.split("/").filter((piece) => piece !== ""));
  }
  return [root, ...done].join("/");
}

/** A small file inside a root, `""` when it is not there. */
export function readInRoot(root: string, path: string): string {
  const resolved = resolveInRoot(root, path);
  return resolved === undefined || !lstatSync(resolved).isFile() ? "" : readFileSync(resolved, "utf8");
}

/** A program as the container sees it, and where it is on the host. */
export interface ProgramFile {
  readonly path: string;
  readonly onHost: string;
}

/** The file of a command that can be run: given as a path, or by name in one of `searchPath`'s directories. */
export function programInRoot(root: string, command: string, workingDirectory: string, searchPath: string): ProgramFile | undefined {
  const candidates = command.includes("/")
    ? [command.startsWith("/") ? command : `${workingDirectory}/${command}`]
    : searchPath.split(":").map((directory) => `${directory || workingDirectory}/${command}`);
  for (const path of candidates) {
    const onHost = resolveInRoot(root, path);
    if (onHost === undefined) continue;
    const status = lstatSync(onHost);
    if (status.isFile() && (status.mode & 0o111) !== 0) return { path, onHost };
  }
  return undefined;
}

/** True if the kernel runs the file itself, as a binary or by the interpreter that it names; what else is executable only shells run. */
export function runsByItself({ onHost }: ProgramFile): boolean {
  const fd = openSync(onHost, "r");
  try {
    const begin = Buffer.alloc(4);
    const begun = begin.toString("latin1", 0, readSync(fd, begin));
    return begun === "\x7fELF" || begun.startsWith("#!");
  } finally {
    closeSync(fd);
  }
}

function linkTarget(path: string): string | "missing" | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return "missing";
    throw error;
  }
}
