import { closeSync, constants, fstatSync, readlinkSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { followsMounts, openInRoot } from "../sys/open-in-root.js";

/** What is at a path of a container; a symbolic link in the last place is not followed. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** In the bits of Go's `os.FileMode`, as Docker clients read it. */
  readonly mode: number;
  readonly mtime: string;
  /** Of a symbolic link: where it leads, as an absolute path of the container. */
  readonly linkTarget: string;
}

/** A directory of a container and a name in it. */
export interface Location {
  readonly directory: string;
  /** `.` for the directory itself. */
  readonly name: string;
}

const O_PATH = 0o10000000;

/** Where a path leads: `a/b/` and `a/b/.` are the directory itself, as the `docker` command means it. Errors: `INVALID_INPUT`. */
export function locate(path: string): Location {
  if (path === "" || path.includes("\0")) throw new LongshoreError("INVALID_INPUT", "A path in the container is missing.");
  const whole = posix.normalize(`/${path}`);
  if (whole === "/" || /\/\.?$/.test(path)) return { directory: whole, name: "." };
  return { directory: posix.dirname(whole), name: posix.basename(whole) };
}

/** `root` is the container's as the engine reaches it; links are resolved inside it, whatever the container does meanwhile. Errors: `NOT_FOUND`, `INVALID_INPUT`. */
export function statPath(root: string, path: string): PathStat {
  const { directory, name } = locate(path);
  const parent = openInRoot(root, directory, O_PATH | constants.O_DIRECTORY);
  if (parent === undefined) throw absent(path);
  try {
    const fd = openInRoot(`/proc/self/fd/${parent}`, name, O_PATH | constants.O_NOFOLLOW, followsMounts(root));
    if (fd === undefined) throw absent(path);
    try {
      const stat = fstatSync(fd);
      const target = stat.isSymbolicLink() ? readlinkSync(`/proc/self/fd/${parent}/${name}`) : "";
      return {
        name: name === "." ? posix.basename(directory) || "/" : name,
        size: stat.size,
        mode: goMode(stat),
        mtime: stat.mtime.toISOString(),
        linkTarget: target === "" ? "" : posix.resolve(directory, target),
      };
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(parent);
  }
}

export function absent(path: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", `There is no ${path} in the container.`);
}

/** Go has bits of its own for what Unix keeps in the upper part of the mode. */
function goMode(stat: Stats): number {
  const kinds: [boolean, number][] = [
    [stat.isDirectory(), 31],
    [stat.isSymbolicLink(), 27],
    [stat.isBlockDevice() || stat.isCharacterDevice(), 26],
    [stat.isFIFO(), 25],
    [stat.isSocket(), 24],
    [(stat.mode & 0o4000) !== 0, 23],
    [(stat.mode & 0o2000) !== 0, 22],
    [stat.isCharacterDevice(), 21],
    [(stat.mode & 0o1000) !== 0, 20],
  ];
  return kinds.reduce((mode, [has, bit]) => (has ? mode + 2 ** bit : mode), stat.mode & 0o777);
}
