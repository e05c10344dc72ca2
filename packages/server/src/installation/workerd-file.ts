import { chmodSync, cpSync, existsSync, linkSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";

/**
 * Puts workerd into a directory of the installation: it is run by a user who may not be able to look into the one that npm installed it in. Errors:
 * `NO_SPACE`.
 */
export function installWorkerd(source: string, directory: string): void {
  const target = join(directory, "workerd");
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  if (existsSync(target) && statSync(target).size === statSync(source).size) return;
  // What a killed one has left may be the very file that npm installed: nothing may be written into it.
  rmSync(`${target}.partial`, { force: true });
  if (!linked(source, `${target}.partial`)) copy(source, `${target}.partial`);
  renameSync(`${target}.partial`, target);
}

/** A second name costs no space, and all installations have one copy in memory. False where there can be none, or where others than root could change it. */
function linked(source: string, target: string): boolean {
  const { uid, mode } = statSync(source);
  const modes = mode & 0o777;
  if (uid !== 0 || modes !== 0o755) return false;
  try {
    linkSync(source, target);
    return true;
  } catch (error) {
    if (["EXDEV", "EPERM", "EMLINK", "ENOTSUP"].some((code) => isErrno(error, code))) return false;
    throw error;
  }
}

function copy(source: string, target: string): void {
  try {
    cpSync(source, target);
  } catch (cause) {
    if (!isErrno(cause, "ENOSPC")) throw cause;
    throw new LongshoreError("NO_SPACE", `The disk is full: workerd does not fit into ${target}.`, {
      cause,
      hint: "Free some space, or name another --data.",
    });
  }
  chmodSync(target, 0o755);
}
