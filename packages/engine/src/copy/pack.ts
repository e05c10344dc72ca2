import { spawn } from "node:child_process";
import { closeSync, constants } from "node:fs";
import type { Readable } from "node:stream";
import { LongshoreError } from "@longshore/contract";
import { openInRoot } from "../sys/open-in-root.js";
import { rootIdOf } from "../sys/user-namespace.js";
import { absent, locate } from "./path-stat.js";

const FLAGS = ["--format=posix", "--pax-option=delete=atime,delete=ctime", "--numeric-owner"];
/** tar's own code for "some files changed while they were read", which a running application's do. */
const FILES_CHANGED = 1;
const DEADLINE_MS = 30 * 60_000;

export interface Packed {
  readonly stream: Readable;
  /** Resolves when the archive is whole. Errors: `INTERNAL` with tar's words. */
  readonly ended: Promise<void>;
}

/**
 * A file or directory of a container as a tar archive, whose names begin with its own. `pid` is one of the container's processes. The directory that it is in is opened
 * inside the container's root, and tar follows no links from there. Owners are the container's. Of `/`, what is mounted below is left out.
 * Errors: `NOT_FOUND`.
 */
export function packPath(pid: number, path: string, signal: AbortSignal): Packed {
  const { directory, name } = locate(path);
  const parent = openInRoot(`/proc/${pid}/root`, directory, constants.O_RDONLY | constants.O_DIRECTORY);
  if (parent === undefined) throw absent(path);
  try {
    const scope = directory === "/" && name === "." ? ["--one-file-system"] : [];
    // The open directory is the child's fd 3.
    const tar = ["tar", "-c", ...FLAGS, ...scope, "-f", "-", "-C", "/proc/self/fd/3", "--", name];
    const words = rootIdOf(pid) === 0 ? tar : ["nsenter", `--user=/proc/${pid}/ns/user`, ...tar];
    const child = spawn(words[0] ?? "tar", words.slice(1), {
      stdio: ["ignore", "pipe", "pipe", parent],
      timeout: DEADLINE_MS,
      signal,
      killSignal: "SIGKILL",
    });
    if (child.stdout === null || child.stderr === null) throw new LongshoreError("INTERNAL", "tar was started without its pipes.");
    return { stream: child.stdout, ended: ending(child, child.stderr) };
  } finally {
    closeSync(parent);
  }
}

async function ending(child: ReturnType<typeof spawn>, errors: Readable): Promise<void> {
  let complaint = "";
  errors.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0 && code !== FILES_CHANGED)
    throw new LongshoreError("INTERNAL", `tar ended with ${code ?? "a signal"}: ${complaint.trim()}`);
}
