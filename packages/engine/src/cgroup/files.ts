import { readFileSync, writeFileSync } from "node:fs";
import { readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";

/** True for the errors by which the kernel says that a cgroup or a process is not there any more. */
export function isGone(error: unknown): boolean {
  return ["ENOENT", "ENODEV", "ESRCH"].some((code) => isErrno(error, code));
}

/** A file's content without the last line's end; `undefined` when it, or its cgroup, is not there. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Writes a file of a cgroup; returns whether it was there. */
export function writeIfThere(path: string, value: string): boolean {
  try {
    // Without O_CREAT: in a cgroup that file would be refused as forbidden, not as missing.
    writeFileSync(path, value, { flag: "r+" });
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** The number in a line `<key> <number>` of such a file; 0 when there is none. */
export function counterIn(text: string | undefined, key: string): number {
  const line = text?.split("\n").find((each) => each.startsWith(`${key} `));
  return Number(line?.slice(key.length + 1) ?? 0);
}

/** Adds the processes of a cgroup and of those below it. */
export async function processesBelow(directory: string, into: Set<number>): Promise<void> {
  try {
    for (const line of (await readFile(join(directory, "cgroup.procs"), "utf8")).split("\n")) if (line !== "") into.add(Number(line));
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) await processesBelow(join(directory, entry.name), into);
    }
  } catch (error) {
    // A threaded cgroup of version 2 lists no processes: they are those of the cgroup above it.
    if (!isGone(error) && !isErrno(error, "ENOTSUP")) throw error;
  }
}

/** Removes a cgroup and those below it. Throws `EBUSY` while processes are in one. */
export async function removeTree(directory: string): Promise<void> {
  try {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) await removeTree(join(directory, entry.name));
    }
    await rmdir(directory);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
