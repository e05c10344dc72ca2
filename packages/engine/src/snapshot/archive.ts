import { spawn } from "node:child_process";
import { closeSync, constants } from "node:fs";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LongshoreError } from "@longshore/contract";
import { openInRoot } from "../sys/open-in-root.js";
import { rootIdOf } from "../sys/user-namespace.js";

/**
 * GNU tar keeps extended attributes, file capabilities and holes. `trusted.*` is what the overlay file system keeps for itself.
 */
const ATTRIBUTES = ["--xattrs", "--xattrs-include=*", "--xattrs-exclude=trusted.*", "--numeric-owner"];
const PACK = ["--format=posix", "--pax-option=delete=atime,delete=ctime", "--sparse", ...ATTRIBUTES];
const UNPACK = ["--same-owner", "-p", "--delay-directory-restore", ...ATTRIBUTES];
/** tar's own code for "some files changed while they were read", which a running application's do. */
const FILES_CHANGED = 1;
const DEADLINE_MS = 10 * 60_000;

/**
 * The files in a directory of a container, as a tar archive with names relative to it. `pid` is one of its processes; links
 * in `path` are followed inside its root only, whatever the container does meanwhile. For `/`, what is mounted below is left out. Owners are the container's.
 * Errors: `NOT_FOUND` when there is no such directory; later failures end the stream with an error.
 */
export function packDirectory(pid: number, path: string): { readonly stream: Readable; readonly ended: Promise<void> } {
  const directory = openInRoot(`/proc/${pid}/root`, path, constants.O_RDONLY | constants.O_DIRECTORY);
  if (directory === undefined) throw new LongshoreError("NOT_FOUND", `There is no directory ${path} in the container.`);
  try {
    const scope = isRoot(path) ? ["--one-file-system"] : [];
    // The open directory is the child's fd 3.
    const tar = ["tar", "-c", ...PACK, ...scope, "-C", "/proc/self/fd/3", "-f", "-", "."];
    // In the container's user namespace, so that owners are those that the container sees.
    const [program, ...words] = rootIdOf(pid) === 0 ? tar : ["nsenter", `--user=/proc/${pid}/ns/user`, ...tar];
    const child = spawn(program ?? "tar", words, {
      stdio: ["ignore", "pipe", "pipe", directory],
      timeout: DEADLINE_MS,
    });
    if (child.stdout === null || child.stderr === null) throw new LongshoreError("INTERNAL", "tar was started without its pipes.");
    return { stream: child.stdout, ended: ending(child, child.stderr, [0, FILES_CHANGED]) };
  } finally {
    closeSync(directory);
  }
}

/**
 * Unpacks an archive into an existing directory that nobody else uses; returns the archive's length in bytes.
 * Errors: `INTERNAL` with tar's words, whether the disk or the archive is at fault.
 */
export async function unpackInto(archive: Readable, directory: string): Promise<number> {
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const child = spawn("tar", ["-x", ...UNPACK, "-C", directory, "-f", "-"], { stdio: ["pipe", "ignore", "pipe"], timeout: DEADLINE_MS });
  const ended = ending(child, child.stderr, [0]);
  const outcomes = await Promise.allSettled([pipeline(archive, meter, child.stdin), ended]);
  const [fed, unpacked] = outcomes;
  // When tar gives up, feeding it fails too: its own words come first.
  if (unpacked.status === "rejected") throw unpacked.reason;
  if (fed.status === "rejected") throw fed.reason;
  return bytes;
}

function isRoot(path: string): boolean {
  return path.split("/").every((part) => part === "" || part === ".");
}

async function ending(child: ReturnType<typeof spawn>, errors: Readable, fine: readonly number[]): Promise<void> {
  let complaint = "";
  errors.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== null && fine.includes(code)) return;
  throw new LongshoreError("INTERNAL", `tar ended with ${code ?? "a signal"}: ${complaint.trim()}`);
}
