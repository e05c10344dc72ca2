import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { toLongshoreError } from "@longshore/contract";
import { bindWithIds } from "../sys/user-namespace.js";
import { diskDirectory, IMAGE } from "./disks.js";
import { mountImage } from "./mount-image.js";

const run = promisify(execFile);
const COPY_DEADLINE_MS = 10 * 60_000;
/** What a container wrote, where disks have no limit. */
const UPPER = "upper";

/**
 * Copies what a container has written so far into the existing directory `target`. Nothing may be writing meanwhile (see paused.ts), and what was
 * written must be on the disk (`sync`). Where the host's file system shares blocks between files (XFS, btrfs), it takes milliseconds whatever the
 * size; else only what is written is copied, not the holes. Returns the bytes that are written. Errors: `NO_SPACE`, `INTERNAL`.
 */
export async function captureDisk(directory: string, target: string): Promise<number> {
  const image = join(directory, IMAGE);
  try {
    if (existsSync(image)) {
      const copy = join(target, IMAGE);
      await run("cp", ["--reflink=auto", "--sparse=auto", image, copy], { timeout: COPY_DEADLINE_MS });
      await using handle = await open(copy);
      await handle.datasync();
      // What is written: the copy may be smaller, since zeros become holes.
      return (await stat(image)).blocks * 512;
    }
    await run("cp", ["-a", "--reflink=auto", join(diskDirectory(directory), UPPER), target], { timeout: COPY_DEADLINE_MS });
    await run("sync", ["-f", target], { timeout: COPY_DEADLINE_MS });
    const { stdout } = await run("du", ["-s", "--block-size=1", join(target, UPPER)], { timeout: COPY_DEADLINE_MS });
    return Number.parseInt(stdout, 10);
  } catch (error) {
    throw toLongshoreError(error, `copying the disk of ${directory}`);
  }
}

/**
 * Makes a captured disk readable for this process and returns the overlay layer in it. `mountPoint` is an empty directory; `mapping` as in
 * {@link mountImage}.
 */
export async function exposeCaptured(captured: string, mountPoint: string, mapping: number | undefined): Promise<string> {
  const image = join(captured, IMAGE);
  if (existsSync(image)) await mountImage(image, mountPoint, { readOnly: true, mapping });
  else if (mapping === undefined) return join(captured, UPPER);
  else bindWithIds(captured, mountPoint, mapping);
  return join(mountPoint, UPPER);
}
